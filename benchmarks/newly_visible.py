"""Is what comes out of hiding, or into the frame, painted as well as when its frame is painted on its own?

    python benchmarks/newly_visible.py CLIP STYLE --weights VGG19.weights.h5 --start 60 --end 84 --max-size 256
    python benchmarks/newly_visible.py CLIP STYLE --weights VGG19.weights.h5 --end 10000 --every 60

For some frames of a clip: the pixels that the frame before does not show (Ruder et al. 2016, eq. 5, and the border),
widened by a few, and on these pixels alone the style loss (Gram matrices of block1_conv1, block2_conv1 and
block3_conv1) and the content loss (block3_conv2, which holds what things look like) of the painted clip, as ratios to
those of the same frame painted from itself, alone, with 150 evaluations. A bare patch has several times the style loss;
a smear or a ghost has more content loss, but not much more. Methods are those of `steadiness.py`, with a second row
each: features look at their surroundings, so that of a strip of a few pixels they tell what is beside it, and there
these pixels lie in the frame painted alone. Without `--every` three more rows say what the numbers can tell: the frame
left bare, the painting of another frame in its place, and the frame painted alone once more, with a little noise on it.
"""

import argparse
import itertools
import pathlib
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf
from arguments import clip_parser
from scipy.ndimage import binary_dilation
from steadiness import METHODS

from styletransfer import load_model, pixels, read_image, read_video, write_image
from styletransfer.features import FeatureExtractor
from styletransfer.image import stylize_image
from styletransfer.losses import gram_matrix
from styletransfer.motion.flow import estimate_flow_pair
from styletransfer.motion.occlusion import disocclusion, leaves_frame
from styletransfer.video.frames import stylize_frames

STYLE_LAYERS = "block1_conv1", "block2_conv1", "block3_conv1"
CONTENT_LAYER = "block3_conv2"
STRETCH = 24
"""Frames of a stretch, of those throughout a clip: each is painted as a clip of its own."""
WIDER = 2
"""Pixels by which what is new is widened: features look at their surroundings."""
LEAST = 0.005
"""Share of a frame that must be new to be measured."""
NOISE = 1.5
"""Grey levels, about that of compression."""


def main() -> None:
    parser = clip_parser(__doc__, max_size=256)
    parser.add_argument("--every", type=int, help=f"throughout: {STRETCH} frames, painted anew, of every so many")
    parser.add_argument("--frames", type=int, default=4, help="how many frames to measure, of each stretch")
    parser.add_argument("--methods", default="default;fast", help="of steadiness.py, separated by ';'")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("newly_visible"))
    arguments = parser.parse_args()
    for name in arguments.methods.split(";"):
        if METHODS[name] is None or "flow" in METHODS[name]:
            parser.error(f"{name!r} is not a method of this library with its own flow")
    if arguments.every is not None and arguments.every < STRETCH:
        parser.error(f"--every is {arguments.every}, and a stretch has {STRETCH} frames")
    arguments.out.mkdir(parents=True, exist_ok=True)
    model, style = load_model(arguments.weights), read_image(arguments.style)
    found: dict[str, list[np.ndarray]] = {}
    print("| method | frames | style, as painted alone | content | worst frame: style | content |")
    print("|---|---|---:|---:|---:|---:|")
    for start, frames in stretches(arguments):
        masks = chosen(frames, arguments.frames)
        places = ", ".join(str(start + place) for place in masks)
        for name, ratios in measured(arguments, start, frames, masks, style, model) if masks else ():
            print(row(name, places, ratios), flush=True)
            found.setdefault(name, []).append(ratios)
    if not found:
        raise SystemExit(f"no frame has {LEAST:.1%} of it newly visible")
    for name, parts in found.items() if arguments.every is not None else ():
        ratios = np.concatenate(parts)
        print(row(name, f"all {len(ratios)}", ratios))


def stretches(arguments: argparse.Namespace) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Where each stretch starts, and its frames: all that were asked for, or with `every` some throughout."""
    clip = {"max_size": arguments.max_size, "start": arguments.start, "end": arguments.end}
    frames, start = iter(read_video(arguments.source, **clip)), arguments.start
    length, skipped = (None, 0) if arguments.every is None else (STRETCH, arguments.every - STRETCH)
    while stretch := list(itertools.islice(frames, length)):
        yield start, stretch
        start += len(stretch) + sum(1 for _ in itertools.islice(frames, skipped))


def row(name: str, places: str, ratios: np.ndarray) -> str:
    cells = [f"{value:.2f}" for value in (*ratios.mean(axis=0), *ratios.max(axis=0))]
    return f"| {name} | {places} | {' | '.join(cells)} |"


def measured(
    arguments: argparse.Namespace,
    start: int,
    frames: list[np.ndarray],
    masks: Mapping[int, np.ndarray],
    style: np.ndarray,
    model: object,
) -> Iterator[tuple[str, np.ndarray]]:
    """Of each method, style and content as shares of those of the frames painted alone: `(frames, 2)`."""
    settings = {"max_size": arguments.max_size, "weights": arguments.weights}
    judge = Judge(frames[0], style, model)
    alone = {place: on_its_own(frames[place], style, settings, model) for place in masks}

    def ratios(painted: Mapping[int, np.ndarray]) -> np.ndarray:
        return np.array([judge.ratios(painted[i], alone[i], frames[i], mask) for i, mask in masks.items()])

    if arguments.every is None:
        yield "left bare", ratios(dict(enumerate(frames)))
        others = [*alone.values()][1:] + [*alone.values()][:1]
        yield "another frame's painting", ratios(dict(zip(masks, others, strict=True)))
        noisy_ones = {place: on_its_own(noisy(frames[place]), style, settings, model) for place in masks}
        yield "painted alone once more", ratios(noisy_ones)
    for name in arguments.methods.split(";"):
        painted = list(stylize_frames(frames, style, model=model, **settings | METHODS[name]))
        for place, mask in masks.items():
            sheet = np.concatenate([frames[place], marked(painted[place], mask), alone[place]], axis=1)
            write_image(arguments.out / f"{name}_{start + place:04d}.png", sheet)
        yield name, ratios(dict(enumerate(painted)))
        inside = {i: np.where(mask[..., np.newaxis], painted[i], alone[i]) for i, mask in masks.items()}
        yield f"{name}, set into the frames painted alone", ratios(inside)


def chosen(frames: list[np.ndarray], count: int) -> dict[int, np.ndarray]:
    """The frames with the most that is new, some apart, and where: `(H, W)` bool."""
    masks = {i: newly_visible(frames[i], frames[i - 1]) for i in range(1, len(frames))}
    places = sorted((i for i in masks if masks[i].mean() >= LEAST), key=lambda i: -masks[i].mean())
    apart: list[int] = []
    for place in places:
        if all(abs(place - other) >= len(frames) // (2 * count) for other in apart):
            apart.append(place)
    return {place: masks[place] for place in sorted(apart[:count])}


def newly_visible(frame: np.ndarray, before: np.ndarray) -> np.ndarray:
    """What a frame shows and the one before does not: `(H, W)` bool. Of the border, what enters by a pixel or more."""
    back, forth = estimate_flow_pair(frame, before)
    return binary_dilation(disocclusion(back, forth) | leaves_frame(np.trunc(back)), iterations=WIDER)


def on_its_own(frame: np.ndarray, style: np.ndarray, settings: dict, model: object) -> np.ndarray:
    return stylize_image(frame, style, model=model, steps=150, tolerance=0.0, **settings)


def noisy(frame: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0.0, NOISE, frame.shape)
    return np.clip(np.rint(frame + noise), 0, 255).astype(np.uint8)


def marked(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A picture with a white line around what is new."""
    line = binary_dilation(mask) & ~mask
    return np.where(line[..., np.newaxis], np.uint8(255), picture)


class Judge:
    """Style and content losses on some pixels of a picture."""

    def __init__(self, frame: np.ndarray, style: np.ndarray, model: object) -> None:
        extractor = FeatureExtractor(model, (*STYLE_LAYERS, CONTENT_LAYER))
        size = pixels.equal_area(style.shape[:2], frame.shape[0] * frame.shape[1])
        inside = [pixels.to_inside(picture) for picture in (pixels.resize(style, size), frame)]
        self.extractor = extractor.normalized(inside)
        features = self.extractor(tf.constant(inside[0]))
        self.grams = [gram_matrix(features[name]).numpy() for name in STYLE_LAYERS]

    def ratios(self, painted: np.ndarray, alone: np.ndarray, frame: np.ndarray, mask: np.ndarray) -> tuple[float, ...]:
        """Style and content loss of a painted picture, each as a share of that of the one painted alone."""
        (style, content), (style_alone, content_alone) = (self.losses(each, frame, mask) for each in (painted, alone))
        return style / style_alone, content / content_alone

    def losses(self, picture: np.ndarray, frame: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
        features, wanted = (self.extractor(tf.constant(pixels.to_inside(each))) for each in (picture, frame))
        style = 0.0
        for name, gram in zip(STYLE_LAYERS, self.grams, strict=True):
            seen = self.within(features[name], mask)
            style += float(np.square(seen.T @ seen / len(seen) - gram).mean())
        there, here = (self.within(each[CONTENT_LAYER], mask) for each in (wanted, features))
        return style, float(np.square(here - there).mean())

    @staticmethod
    def within(features: tf.Tensor, mask: np.ndarray) -> np.ndarray:
        """The features `(n, channels)` at the pixels of a mask of the picture's size."""
        height, width = features.shape[1:3]
        rows = (np.arange(height) + 0.5) * mask.shape[0] / height
        columns = (np.arange(width) + 0.5) * mask.shape[1] / width
        return features.numpy()[0][mask[np.ix_(rows.astype(int), columns.astype(int))]]


if __name__ == "__main__":
    main()
