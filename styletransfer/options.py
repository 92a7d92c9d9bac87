"""Every setting of the library: one flat, frozen dataclass, validated once.

The command line, the page and the documentation read names, defaults, choices and help texts off its
fields, so they cannot differ from it. How the defaults were found is recorded in `docs/defaults.md`.
"""

import difflib
import math
import numbers
import os
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from types import NoneType
from typing import Any, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

from .times import Time, checked_mix

VIDEO_ONLY = (
    "temporal_weight",
    "min_hold",
    "warm_start",
    "keyframes",
    "max_gap",
    "min_carried",
    "fill_steps",
    "min_hole",
    "refine_steps",
    "history",
    "passes",
    "blend",
    "temporal_from",
    "flow_quality",
    "mask_softness",
    "mask_boundaries",
    "mask_border",
    "still_threshold",
    "start",
    "end",
    "fps",
)
"""The fields that mean nothing for a single picture."""

PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    # Few frames are painted, and less carefully; the rest are carried.
    "fast": {
        "keyframes": "auto",
        "max_gap": 6,
        "slack": 0.2,
        "history": (1,),
        "flow_quality": "fast",
    },
    # Every frame is painted, whole distributions are matched, and until little more is gained.
    "fine": {
        "style_loss": "wasserstein",
        "content_weight": 0.1,
        "temporal_weight": 1e-3,
        "tolerance": 0.002,
        "slack": 0.0,
        "history": (1, 5, 10, 20),
        "flow_quality": "best",
    },
    # What paints best with the weights that need no download: their deepest layers hold edges, not things.
    "offline": {
        "weights": "hed",
        "content_layers": ("block4_conv2",),
        "style_layers": ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1"),
    },
    # The numbers of the report: its losses on the raw Keras network, every frame on its own, 50 iterations.
    "report": {
        "content_layers": ("block5_conv2",),
        "style_layers": ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1"),
        "content_weight": 1e-4,
        "style_weight": 1.0,
        "style_layer_weights": (),
        "style_loss": "gram",
        "style_scale": 1.0,
        "strength": 1.0,
        "preserve_color": "none",
        "scales": 1,
        "coarsest": None,
        "temporal_weight": 0.0,
        "tv_weight": 0.0,
        "normalize": False,
        "pooling": "max",
        "padding": "zero",
        "optimizer": "lbfgs",
        "preconditioning": 0.0,
        "bounded": False,
        "init": "content",
        "warm_start": False,
        "keyframes": 1,
        "history": (1,),
        "passes": 1,
        "still_threshold": 0.0,
        "steps": 50,
        "tolerance": 0.0,
        "slack": 0.0,
    },
}


def _setting(default: Any, help: str, **limits: Any) -> Any:
    """A field with its help text and limits: `low` and `high` (smallest and largest value) or `choices`."""
    return field(default=default, metadata={"help": help, **limits})


@dataclass(frozen=True, init=False)
class StyleOptions:
    """Settings of a style transfer, given by keyword: `StyleOptions(steps=30, preset="report")`.

    What is given overrides the preset, and the preset overrides the defaults. Every field has its meaning
    in `metadata["help"]`; `styletransfer video --help` prints them all.

    Raises
    ------
    TypeError
        If a name is not a field; the nearest one is named.
    ValueError
        If a value has the wrong type, is not finite, or lies outside its limits.
    """

    preset: str = _setting(
        "default",
        "the set of values to start from; 'fast' paints few frames and carries the rest, 'fine' paints longer, "
        "'offline' needs no download, 'report' is the original report's method",
        choices=tuple(PRESETS),
    )
    max_size: int | None = _setting(
        512, "longer side of the painted result in pixels; None paints at the source's own size", low=16
    )
    max_tile: int | None = _setting(
        2048,
        "longer side in pixels of what the network sees at once: a larger picture is painted in tiles, alike, in less "
        "memory but more time; None never does",
        low=64,
    )
    steps: int = _setting(100, "upper bound on evaluations of the network per picture or frame", low=1)
    tolerance: float = _setting(
        0.004,
        "stop a frame when an evaluation improves its loss by less than this share; 0 never does",
        low=0.0,
    )
    slack: float = _setting(
        0.05,
        "stop a frame as soon as its loss is no higher, up to this share, than that of the frame which opened the "
        "scene; 0 goes on until little is gained",
        low=0.0,
    )
    content_weight: float = _setting(0.05, "weight of the content loss: keep the scene", low=0.0)
    style_weight: float = _setting(1.0, "weight of the style loss: take over strokes and colours", low=0.0)
    temporal_weight: float = _setting(
        1.5e-3, "weight of the temporal loss: hold each frame to the one before it", low=0.0
    )
    min_hold: float = _setting(
        0.05,
        "how much of temporal_weight is left at least when frames are held less and less, because they lack more of "
        "the style than the slack; 1 always holds them alike",
        low=0.01,
        high=1.0,
    )
    tv_weight: float = _setting(0.0, "weight of the total variation: smooth out fine noise", low=0.0)
    content_layers: tuple[str, ...] = _setting(
        ("block5_conv2",), "VGG19 layers that hold the content; earlier ones keep more detail"
    )
    style_layers: tuple[str, ...] = _setting(
        ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1"),
        "VGG19 layers that hold the style, from fine texture to large shapes",
    )
    style_layer_weights: tuple[float, ...] = _setting(
        (), "weights of the style layers, in their order, one against the other; none: all alike", low=0.0
    )
    style_loss: str = _setting(
        "gram",
        "what of the style is matched in every layer: the Gram matrix, or mean and covariance (Wasserstein-2 distance)",
        choices=("gram", "wasserstein"),
    )
    style_scale: float = _setting(
        1.0,
        "size of the strokes: the style picture's sides against those of the frame, areas made equal",
        low=0.05,
        high=20.0,
    )
    mix: str | tuple[float, ...] | Mapping[Time, tuple[float, ...]] = _setting(
        (),
        "with several style pictures: their weights, such as 0.7,0.3, or, changing over time, weights at frames or "
        "seconds such as 1,0@0; 0,1@2.5s; none: all alike",
    )
    strength: float = _setting(
        1.0,
        "how much of the painting is laid over the picture: 0 shows the picture as it is, 1 nothing of it",
        low=0.0,
        high=1.0,
    )
    preserve_color: str = _setting(
        "none",
        "keep the colours of the picture: 'luminance' paints in light and dark only, 'match' gives the style picture "
        "the picture's range of colours",
        choices=("none", "luminance", "match"),
    )
    scales: int = _setting(
        1,
        "coarse to fine: paint at so many sizes, each twice the one before, and match the style at all of them: large "
        "strokes appear",
        low=1,
        high=8,
    )
    coarsest: int | None = _setting(
        None,
        "with scales above 1: longer side in pixels of the smallest of the sizes, the others evenly spaced from there; "
        "the painting then looks like one of that size",
        low=16,
    )
    init: str | npt.NDArray[Any] = _setting(
        "content", "what a picture starts from: 'content', 'noise' (seeded), or the file of a picture"
    )
    warm_start: bool = _setting(
        True, "start each frame from the previous painted frame, moved along by the optical flow"
    )
    keyframes: int | str = _setting(
        1,
        "paint every n-th frame and carry those between from both sides; 'auto' places the painted ones where they are "
        "needed, 1 paints every frame",
        low=1,
    )
    max_gap: int = _setting(
        8, "with keyframes='auto': the longest way from one key frame to the next, in frames", low=1
    )
    min_carried: float = _setting(
        0.6,
        "with keyframes='auto': a frame of which less than this share can be carried from the last key frame becomes "
        "one itself",
        low=0.0,
        high=1.0,
    )
    fill_steps: int = _setting(
        5,
        "evaluations for what a frame between key frames shows and neither of them does; 0 borrows strokes only",
        low=0,
    )
    min_hole: float = _setting(
        0.02,
        "share of a frame that both key frames must leave open before fill_steps are spent on it",
        low=0.0,
        high=1.0,
    )
    refine_steps: int = _setting(
        0, "evaluations for the whole of every frame between key frames: sharper, slower", low=0
    )
    history: tuple[int, ...] = _setting(
        (1, 10),
        "how many frames back to look, nearest first, such as 1, 10, 20, 40, in a younger scene to its first: a frame "
        "is held to the nearest that shows a thing, so what was hidden for a while comes back as it was, and the "
        "farthest tells how far paint has slid",
        low=1,
    )
    passes: int = _setting(
        1,
        "go over the clip so many times, forward and backward, and share the steps out among the passes; the first "
        "paints every frame on its own",
        low=1,
    )
    blend: float = _setting(
        0.5,
        "with several passes: how much of its neighbour a frame starts from, against its own last pass",
        low=0.0,
        high=1.0,
    )
    temporal_from: int = _setting(2, "with several passes: the pass from which the temporal loss counts", low=2)
    flow_quality: str = _setting(
        "balanced", "accuracy of the built-in optical flow", choices=("fast", "balanced", "best")
    )
    mask_softness: float = _setting(
        0.8,
        "sigma in pixels by which the masks of what is reliable are smoothed; 0 keeps them hard",
        low=0.0,
        high=20.0,
    )
    mask_boundaries: bool = _setting(
        True, "hold along motion boundaries, where the flow is smeared over both sides, only what looks as it did"
    )
    mask_border: bool = _setting(
        True, "hold nothing to the past that was outside the frame; else the edge of the frame is continued"
    )
    still_threshold: float = _setting(
        3.0,
        "a frame that differs from the last painted one by less than this in every window of 9x9 pixels, in grey "
        "levels of 255, is a held frame and takes its result; 0 paints every frame",
        low=0.0,
    )
    optimizer: str = _setting("lbfgs", "how the loss is minimised", choices=("lbfgs", "adam"))
    lbfgs_memory: int = _setting(10, "number of past steps that L-BFGS learns the curvature from", low=1)
    preconditioning: float = _setting(
        10.0,
        "how much more readily L-BFGS changes broad areas than single pixels, which takes fewer evaluations; 0 treats "
        "all alike",
        low=0.0,
        high=1000.0,
    )
    learning_rate: float = _setting(
        5.0, "Adam's step, and the largest change of L-BFGS' first step, in grey levels of 255", low=1e-6
    )
    bounded: bool = _setting(
        True, "keep every pixel between black and white while optimising; without it the result is clipped at the end"
    )
    pooling: str = _setting("avg", "pooling of the network", choices=("avg", "max"))
    padding: str = _setting(
        "reflect",
        "what the network sees beyond the border of a picture: its mirror image, or, as it was trained, nothing",
        choices=("reflect", "zero"),
    )
    normalize: bool = _setting(
        True,
        "scale every layer to mean activation 1 and average the content loss over positions, so that the weights "
        "mean the same at every size and with every weight file",
    )
    precision: str = _setting(
        "auto",
        "arithmetic of the convolutions; 'auto' takes the fastest that the hardware is good at",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    weights: str = _setting(
        "imagenet",
        "weights of VGG19: 'imagenet' (downloaded once by Keras), 'hed' (offline), or a weight file",
    )
    seed: int = _setting(0, "seed of the noise", low=0)
    start: int | float | str | None = _setting(
        None, "where to begin in the source: a frame number, or seconds such as 2.5, 2.5s or 0:01:30"
    )
    end: int | float | str | None = _setting(None, "where to stop, exclusive: a frame number or seconds")
    fps: float | None = _setting(None, "resample the source to this frame rate", low=0.01)

    def __init__(self, **settings: Any) -> None:
        known = {f.name: f for f in fields(type(self))}
        for name in settings:
            if name not in known:
                raise TypeError(unknown_name_message(name, known))
        preset = settings.get("preset", known["preset"].default)
        if not isinstance(preset, str) or preset not in PRESETS:
            raise ValueError(f"preset={preset!r}: expected {_one_of(tuple(PRESETS))}")
        values = {name: f.default for name, f in known.items()} | PRESETS[preset] | settings
        values["mix"] = checked_mix(values["mix"])
        for name, value in values.items():
            object.__setattr__(self, name, _checked(known[name], value))
        if self.precision == "float16" and not self.normalize:
            raise ValueError(
                "precision='float16' with normalize=False: raw VGG19 features overflow float16, use normalize=True"
            )
        if not self.history or list(self.history) != sorted(set(self.history)):
            raise ValueError(f"history={self.history}: expected rising distances in frames, such as (1, 10, 20)")
        if isinstance(self.keyframes, str) and self.keyframes != "auto":
            raise ValueError(f"keyframes={self.keyframes!r}: expected 'auto', or a whole number of at least 1")
        if self.passes > self.steps:
            raise ValueError(f"passes={self.passes} with steps={self.steps}: expected at least one step per pass")
        if self.style_layer_weights and (
            len(self.style_layer_weights) != len(self.style_layers) or not sum(self.style_layer_weights)
        ):
            raise ValueError(
                f"style_layer_weights={self.style_layer_weights}: expected {len(self.style_layers)} of them, one for "
                "each of the style_layers, and not all 0"
            )
        if not self.style_layers and not self.content_layers:
            raise ValueError("style_layers and content_layers are both empty: name at least one layer")

    def replace(self, **settings: Any) -> "StyleOptions":
        """A copy with `settings` changed.

        A preset among them is applied before the others, and what the one before it had set goes back to the defaults.
        """
        name, kept = settings.get("preset"), self.asdict()
        if not isinstance(name, str):
            return StyleOptions(**(kept | settings))
        own = {key for key, value in PRESETS[self.preset].items() if key != "init" and kept[key] == value}
        kept = {key: value for key, value in kept.items() if key not in own}
        return StyleOptions(**(kept | PRESETS.get(name, {}) | settings))

    def asdict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def resolve(options: StyleOptions | None, settings: dict[str, Any]) -> StyleOptions:
    """The options that a public function works with: `options` or the defaults, with `settings` on top."""
    if options is None:
        return StyleOptions(**settings)
    if not isinstance(options, StyleOptions):
        raise TypeError(f"options is a {type(options).__name__}, expected StyleOptions: pass StyleOptions(...)")
    return options.replace(**settings) if settings else options


def unknown_name_message(name: str, known: Any) -> str:
    """One sentence about an option that does not exist, naming the nearest that does."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"unknown option {name!r}: " + (
        f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(sorted(known))}"
    )


def _checked(setting: "Field[Any]", value: Any) -> Any:
    """`value` in the field's own type, or a ValueError that says what was expected."""
    kinds = _kinds(setting.name)
    if value is None and NoneType in kinds:
        return None
    limits = setting.metadata
    for kind in kinds:
        converted = _convert(kind, value)
        if converted is not MISSING and _within(converted, limits):
            return converted
    raise ValueError(f"{setting.name}={value!r}: expected {_expectation(kinds, limits)}")


def _kinds(name: str) -> tuple[Any, ...]:
    hint = get_type_hints(StyleOptions)[name]
    return (hint,) if getattr(hint, "__origin__", None) is tuple else get_args(hint) or (hint,)


def _convert(kind: Any, value: Any) -> Any:
    """`value` as `kind` where that loses nothing, else MISSING."""
    if kind is bool:
        return bool(value) if isinstance(value, (bool, np.bool_)) else MISSING
    if kind is int:
        whole = isinstance(value, numbers.Integral) and not isinstance(value, (bool, np.bool_))
        return int(value) if whole else MISSING
    if kind is float:
        real = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
        try:
            return float(value) if real and math.isfinite(value) else MISSING
        except OverflowError:  # a whole number beyond the largest float
            return MISSING
    if kind is str:
        return os.fspath(value) if isinstance(value, (str, os.PathLike)) else MISSING
    if getattr(kind, "__origin__", None) is tuple:
        if not isinstance(value, (tuple, list)):
            return MISSING
        items = tuple(_convert(get_args(kind)[0], item) for item in value)
        return MISSING if MISSING in items else items
    # The one kind that is left is an array; newer versions of NumPy do not say so by `__origin__`.
    return value if kind is not NoneType and isinstance(value, np.ndarray) else MISSING


def _within(value: Any, limits: Any) -> bool:
    if "choices" in limits:
        return value in limits["choices"]
    values = value if isinstance(value, tuple) else () if isinstance(value, str) else (value,)
    low, high = limits.get("low"), limits.get("high")
    return all((low is None or one >= low) and (high is None or one <= high) for one in values)


def _expectation(kinds: tuple[Any, ...], limits: Any) -> str:
    if "choices" in limits:
        return _one_of(limits["choices"])
    names = {
        int: "a whole number",
        float: "a finite number",
        bool: "True or False",
        str: "text",
        tuple[float, ...]: "a tuple of numbers",
        tuple[str, ...]: "a tuple of names",
        tuple[int, ...]: "a tuple of whole numbers",
    }
    words = [names.get(kind, "a picture array") for kind in kinds if kind is not NoneType]
    bound = f" of at least {limits['low']:g}" if "low" in limits else ""
    bound += f" and at most {limits['high']:g}" if "high" in limits else ""
    return " or ".join(words) + bound + (" or None" if NoneType in kinds else "")


def _one_of(choices: tuple[str, ...]) -> str:
    return "one of " + ", ".join(repr(choice) for choice in choices)
