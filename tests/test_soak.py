"""Small jobs drawn by chance: clips, sizes, options, targets; each ends well, or in a sentence at the door.

A job's number decides all of it.
"""

import collections
import random
from dataclasses import fields

import numpy as np
import pytest
from conftest import texture

from styletransfer import StyleOptions, read_video, stylize_video, write_video
from styletransfer.pictures import read_image
from styletransfer.video.job import job_folder

LAYERS = [f"block{block}_conv{conv}" for block, last in enumerate((2, 2, 4), 1) for conv in range(1, last + 1)]
TARGETS = ("out.mp4", "out.mov", "out.mkv", "out.webm", "out.gif", "out.avi", "out")
DRAWN = {
    "preset": lambda chance: chance.choice(("default", "fast", "fine", "report")),
    "max_size": lambda chance: chance.choice((None, 16, 33, 512)),
    "max_tile": lambda chance: chance.choice((None, 64, 2048)),
    "steps": lambda chance: chance.randint(4, 6),
    "content_layers": lambda chance: tuple(chance.sample(LAYERS, chance.randint(0, 2))),
    "style_layers": lambda chance: tuple(chance.sample(LAYERS, chance.randint(1, 3))),
    "style_scale": lambda chance: chance.choice((0.05, 0.5, 1.7, 20.0)),
    "scales": lambda chance: chance.randint(1, 3),
    "coarsest": lambda chance: chance.choice((None, 16, 40)),
    "init": lambda chance: chance.choice(("content", "noise")),
    "keyframes": lambda chance: chance.choice((1, 2, 3, 9, "auto")),
    "max_gap": lambda chance: chance.randint(1, 9),
    "fill_steps": lambda chance: chance.randint(0, 3),
    "refine_steps": lambda chance: chance.randint(0, 2),
    "history": lambda chance: tuple(sorted(chance.sample(range(1, 9), chance.randint(1, 3)))),
    "passes": lambda chance: chance.choice((1, 1, 1, 2, 3)),
    "temporal_from": lambda chance: chance.randint(2, 4),
    "mask_softness": lambda chance: chance.choice((0.0, 2.0, 20.0)),
    "still_threshold": lambda chance: chance.choice((0.0, 10.0, 255.0)),
    "lbfgs_memory": lambda chance: chance.randint(1, 4),
    "learning_rate": lambda chance: chance.choice((1e-6, 1.0, 50.0, 1e9)),
    "seed": lambda chance: chance.randrange(2**40),
    "fps": lambda chance: chance.choice((1.0, 7.5, 50.0)),
    "start": lambda chance: chance.choice((None, 1, "0.1s")),
    "end": lambda chance: chance.choice((None, 3, "0.4s")),
}
"""How to draw an option of which not every value within its limits suits a small job."""
LEFT_OUT = {"weights", "mix", "style_layer_weights", "flow_quality"}
"""What `load_model` reads, what depends on the number of styles, and what takes long."""


def drawn_option(field, chance):
    if field.name in DRAWN:
        return DRAWN[field.name](chance)
    limits = field.metadata
    if "choices" in limits:
        return chance.choice(limits["choices"])
    if isinstance(field.default, bool):
        return chance.random() < 0.5
    if "high" in limits:
        return chance.choice((limits["low"], limits["high"], chance.uniform(limits["low"], limits["high"])))
    return limits["low"] + chance.choice((0.0, 1e-3, 1.0, 100.0))


def drawn_options(chance):
    """A few options, at the borders of what they may be as well as within."""
    settable = [field for field in fields(StyleOptions) if field.name not in LEFT_OUT]
    settings = {field.name: drawn_option(field, chance) for field in chance.sample(settable, chance.randint(0, 7))}
    small = {name: DRAWN[name](chance) for name in ("style_layers", "steps")}
    small["content_layers"] = DRAWN["content_layers"](chance)
    return small | {"flow_quality": "fast"} | settings


def drawn_clip(chance):
    """Frames of one kind, of any small size: noise, a picture that moves, stands, is cut, or is one colour."""
    height, width, count = chance.randint(16, 48), chance.randint(16, 48), chance.randint(1, 6)
    seed, kind = chance.randrange(999), chance.choice(("noise", "moving", "held", "cut", "flat", "black", "flash"))
    wide = texture(height, width + 5 * count, seed)
    frames = {
        "noise": lambda i: texture(height, width, seed + i, smooth=0.1),
        "moving": lambda i: wide[:, 5 * i : 5 * i + width],
        "held": lambda i: wide[:, :width],
        "cut": lambda i: texture(height, width, seed + i // 2),
        "flat": lambda i: np.full((height, width, 3), (seed + i) % 256, np.uint8),
        "black": lambda i: np.zeros((height, width, 3), np.uint8),
        "flash": lambda i: np.full((height, width, 3), 255 * (i % 2), np.uint8),
    }[kind]
    return kind, [np.ascontiguousarray(frames(i)) for i in range(count)]


def drawn_style(chance):
    size = chance.choice((8, 12, 40, 80)), chance.choice((8, 12, 40, 80))
    return np.full((*size, 3), chance.randrange(256), np.uint8) if chance.random() < 0.1 else texture(*size, seed=3)


def stopped_after(share):
    def stop(progress):
        if progress.done > share * progress.total:
            raise KeyboardInterrupt

    return stop


def files(target):
    return {file.name: file.read_bytes() for file in (target.iterdir() if target.is_dir() else [target])}


def soak(number, model, folder):
    """Run a job; every fifth twice, the second time stopped and taken up again, with the same result. How it ended."""
    chance = random.Random(f"soak {number}")
    (kind, frames), style, settings = drawn_clip(chance), drawn_style(chance), drawn_options(chance)
    source, name = frames, chance.choice(TARGETS)
    if "start" in settings or "end" in settings:
        source = write_video(folder / "source.mp4", frames, fps=12)
    try:
        options = StyleOptions(**settings)
        target = stylize_video(source, style, folder / name, options=options, model=model, progress=False)
    except ValueError as error:
        assert "\n" not in str(error) and not job_folder(folder / name).exists(), error
        return f"refused: {str(error)[:60]}"
    clip = read_video(target)
    pictures = [read_image(file) for file in sorted(target.iterdir())] if target.is_dir() else list(clip)
    whole = "start" not in settings and "end" not in settings
    assert len(pictures) == (len(frames) if whole else clip.length) > 0
    limit = options.max_size or 9999
    assert max(pictures[0].shape) <= min(limit, max(frames[0].shape)), (kind, settings)
    if number % 5 == 0:
        again = folder / "again" / name
        again.parent.mkdir()
        with pytest.raises(KeyboardInterrupt):
            stop = stopped_after(chance.random())
            stylize_video(source, style, again, options=options, model=model, progress=False, on_frame=stop)
        stylize_video(source, style, again, options=options, model=model, progress=False)
        assert files(again) == files(target), (kind, settings)
        return "taken up again"
    return "done"


def soak_all(numbers, model, tmp_path):
    counts, faults = collections.Counter(), []
    for number in numbers:
        (tmp_path / str(number)).mkdir()
        try:
            counts[soak(number, model, tmp_path / str(number))] += 1
        except (Exception, pytest.fail.Exception) as error:
            faults.append(f"{number}: {type(error).__name__}: {error}")
    print(dict(counts))
    assert not faults, "\n\n".join(faults)
    assert counts["done"] + counts["taken up again"] > len(numbers) * 3 // 4


def test_a_few_jobs_drawn_by_chance_end_well(model, tmp_path):
    soak_all(range(5), model, tmp_path)


@pytest.mark.slow
def test_five_hundred_jobs_drawn_by_chance_end_well(model, tmp_path):
    soak_all(range(1000, 1500), model, tmp_path)
