"""How long does one evaluation of the network take, on the processor or the GPU that TensorFlow finds?

    python benchmarks/evaluation_time.py CLIP STYLE --weights VGG19.weights.h5 --sizes 256,640,1280

A frame of the clip at every size, painted with the settings of `WAYS`, which take turns evaluation by evaluation, so
that whatever else the machine does falls on all of them alike. The median of `--repeat` turns, and its ratio to the
first's.
"""

import time

import numpy as np
import tensorflow as tf
from arguments import clip_parser

from styletransfer import StyleOptions, load_model, pixels, read_image, read_video
from styletransfer.app.arguments import numbers
from styletransfer.image import prepare
from styletransfer.solver import TERMS, Targets

WAYS = {
    "default": {},
    "means and covariances (Wasserstein)": {"style_loss": "wasserstein"},
    "three scales": {"scales": 3},
    "zeros around the picture": {"padding": "zero"},
    "float32": {"precision": "float32"},
}


def main() -> None:
    parser = clip_parser(__doc__)
    parser.add_argument("--sizes", type=numbers, default=(256, 640), help="longer sides")
    parser.add_argument("--repeat", type=int, default=9)
    arguments = parser.parse_args()
    frame = next(iter(read_video(arguments.source, start=arguments.start)))
    style, model = read_image(arguments.style), load_model(arguments.weights)
    gpus = [
        tf.config.experimental.get_device_details(gpu)["device_name"] for gpu in tf.config.list_physical_devices("GPU")
    ]
    print(f"on {', '.join(gpus) or 'the processor'}\n")
    print("| size | settings | ms per evaluation | of the default's |\n|---|---|---:|---:|")
    for size in arguments.sizes:
        picture = pixels.resize(frame, pixels.fit(frame.shape[:2], int(size)))
        runs = {name: Run(picture, style, model, StyleOptions(**own)) for name, own in WAYS.items()}
        seconds = {name: [] for name in runs}
        for _ in range(arguments.repeat):
            for name, run in runs.items():
                seconds[name].append(run.evaluate())
        for name, each in seconds.items():
            median, first = np.median(each), np.median(next(iter(seconds.values())))
            print(
                f"| {picture.shape[1]}x{picture.shape[0]} | {name} | {1000 * median:.1f} | {median / first:.2f} |",
                flush=True,
            )


class Run:
    """The painting of one frame, traced and warm."""

    def __init__(self, picture: np.ndarray, style: np.ndarray, model: object, options: StyleOptions) -> None:
        first = pixels.to_inside(picture)
        styles = prepare(first, style, options, model)
        self.solver = styles.solver
        self.targets: Targets = styles.targets(first)
        self.state = self.solver.optimizer.init(tf.constant(first), len(TERMS), 1.0)
        for _ in range(2):
            self.evaluate()

    def evaluate(self) -> float:
        """The seconds until the loss of a step is known."""
        began = time.perf_counter()
        self.state = self.solver.step(self.state, self.targets)
        self.state.point.terms.numpy()
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
