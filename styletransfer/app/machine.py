"""What a machine can do: its GPU, and the time that one evaluation takes on it."""

import time

import keras
import numpy as np
import tensorflow as tf

from ..image import stylize_image
from ..options import StyleOptions
from ..solver import Iterate
from .artwork import demo_clip, demo_style

EVALUATIONS = 8
"""Evaluations over which the time is taken; the first, in which the graph is made, does not count."""


def gpu_name() -> str | None:
    """The first GPU that TensorFlow sees, by its maker's name; None if there is none."""
    gpus = tf.config.list_physical_devices("GPU")
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")) if gpus else None


def seconds_per_evaluation(
    shape: tuple[int, int], *, preset: str = "default", model: keras.Model | None = None
) -> float:
    """What an evaluation of the network takes for a picture of `(height, width)`, measured: the median of a few.

    A picture takes as many as the option `steps` says, the first frame of a clip about 60, other frames 1 to 10.
    """
    times: list[float] = []

    def note(_: Iterate) -> None:
        times.append(time.perf_counter())

    (picture,) = demo_clip(1, shape=shape)
    options = StyleOptions(preset=preset, steps=EVALUATIONS, tolerance=0.0, max_size=None)
    stylize_image(picture, demo_style(), options=options, model=model, on_step=note)
    return float(np.median(np.diff(times)))
