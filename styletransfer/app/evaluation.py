"""An evaluation for people and programs: as text, as JSON, as a plot."""

import json
import math
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import pixels
from ..metrics import MEASURES, Evaluation
from ..pictures import PathLike, replacing

ASPECT = 0.02
"""Share by which the aspect of a painted clip may differ from its source's: sides are whole, even numbers."""
WORST = 3


def like(source: Iterable[npt.ArrayLike], shape: tuple[int, int]) -> Iterator[pixels.Picture]:
    """The frames of the source at the size of the painted clip.

    Raises
    ------
    ValueError
        If their aspects differ: it is another clip.
    """
    for frame in source:
        picture = np.asarray(frame)
        height, width = picture.shape[:2]
        if abs(width * shape[0] / (height * shape[1]) - 1.0) > ASPECT:
            raise ValueError(
                f"the source is {width}x{height} and the result {shape[1]}x{shape[0]}, expected the same aspect: "
                "name the clip that was painted"
            )
        yield pixels.resize(picture, shape)


def as_text(evaluation: Evaluation) -> str:
    """A table of the measures overall, the source's own beside them, and the frames that are worst."""
    overall = evaluation.overall
    lines = [f"{'measure':<24}{'result':>10}{'source':>10}  meaning"]
    for name in overall:
        if not name.startswith("source_"):
            own = overall.get(f"source_{name}", math.nan)
            lines.append(f"{name:<24}{_shown(overall[name]):>10}{_shown(own):>10}  {_meaning(name)}")
    for name in ("warping_error_1", "style_distance"):
        values = [(value, place) for place, value in enumerate(evaluation.frames.get(name, [])) if value == value]
        if values:
            worst = sorted(values, reverse=True)[:WORST]
            lines.append(f"worst {name}: " + ", ".join(f"frame {place} ({_shown(value)})" for value, place in worst))
    return "\n".join(lines)


def _shown(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"


def _meaning(name: str) -> str:
    """What a measure says, and over how many frames."""
    for known, meaning in MEASURES.items():
        if name == known:
            return meaning
        if name.startswith(known + "_"):
            return f"{meaning}; frames {name.removeprefix(known + '_')} apart"
    raise KeyError(name)


def write_json(path: PathLike, evaluation: Evaluation) -> None:
    """Both parts of an evaluation; null where there is no value."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        if isinstance(value, list):
            return [plain(one) for one in value]
        return None if math.isnan(value) else value

    with replacing(pathlib.Path(path)) as part:
        part.write_text(json.dumps(plain(evaluation._asdict()), indent=1), encoding="utf-8")


def write_plot(path: PathLike, evaluation: Evaluation) -> None:
    """Every measure over the frames, the source's own in grey under it."""
    from matplotlib.figure import Figure

    frames = evaluation.frames
    names = [name for name in frames if not name.startswith("source_")]
    columns = 2
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(11, 2.1 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False)
    for panel, name in zip(panels.flat, names, strict=False):
        if f"source_{name}" in frames:
            panel.plot(frames[f"source_{name}"], color="0.6", linewidth=1.2, label="source")
        panel.plot(frames[name], color="tab:blue", linewidth=1.5, label="result")
        panel.set_title(_meaning(name), fontsize=9)
        panel.set_ylabel(name.rstrip("_0123456789").replace("_", " "), fontsize=8)
        if "error" in name or "style" in name:
            panel.set_yscale("log")
        elif "correlation" in name or name in ("ssim", "content_similarity"):
            panel.set_ylim(0.0, 1.02)
        panel.grid(alpha=0.3)
    for panel in panels.flat[len(names) :]:
        panel.set_visible(False)
    for panel in panels[-1]:
        panel.set_xlabel("frame")
    panels[0][0].legend(fontsize=8)
    if "score" in evaluation.overall:
        figure.suptitle(f"score {evaluation.overall['score']:.3f}")
    path = pathlib.Path(path)
    with replacing(path) as part:
        figure.savefig(part, format=path.suffix[1:] or "png", dpi=110)
