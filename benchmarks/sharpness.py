"""What is left of a painting that is moved by part of a pixel, once and again.

    python benchmarks/sharpness.py PICTURE STYLE --weights VGG19.weights.h5 [--max-size 256]

The picture is painted; the painting is moved by a quarter and by half a pixel both ways, and ten times there and back
by half a pixel, linearly, by cubic splines, and as the library moves paint (`motion.warping.BandLimited`). Printed is
the style loss of what comes out, away from the border: fine strokes that are blurred raise it.
"""

import numpy as np
from arguments import picture_parser
from scipy.ndimage import map_coordinates
from steadiness import Reference

from styletransfer import load_model, pixels, read_image, stylize_image
from styletransfer.motion.warping import sharp_warp, warp
from styletransfer.options import StyleOptions

EDGE = 8
"""Pixels along the border that do not count: each way mirrors it differently."""


def cubic(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    height, width = flow.shape[:2]
    places = [np.arange(height)[:, np.newaxis] + flow[..., 1], np.arange(width) + flow[..., 0]]
    channels = [map_coordinates(image[..., c], places, order=3, mode="mirror") for c in range(image.shape[-1])]
    return np.stack(channels, axis=-1)


WAYS = {"linear": warp, "cubic splines": cubic, "band-limited": sharp_warp}


def main() -> None:
    arguments = picture_parser(__doc__, max_size=256).parse_args()
    options = StyleOptions(weights=arguments.weights, max_size=arguments.max_size)
    model, style = load_model(arguments.weights), read_image(arguments.style)
    content = read_image(arguments.source, max_size=arguments.max_size)
    judge = Reference([content], style, options, model)
    painting = stylize_image(content, style, options=options, model=model).astype(np.float32)

    def loss(picture: np.ndarray) -> float:
        return judge.style_loss(pixels.to_outside(picture[np.newaxis, EDGE:-EDGE, EDGE:-EDGE]))

    print(f"the painting itself: {loss(painting):.4f}\n")
    print("| moved | by 1/4 pixel | by 1/2 pixel | by 1/2 pixel there and back, 10 times |\n|---|---:|---:|---:|")
    for name, move in WAYS.items():
        flows = [np.full((*painting.shape[:2], 2), offset, np.float32) for offset in (0.25, 0.5, -0.5)]
        again = painting
        for step in range(20):
            again = move(again, flows[1 + step % 2])
        cells = [move(painting, flows[0]), move(painting, flows[1]), again]
        print(f"| {name} | {' | '.join(f'{loss(cell):.4f}' for cell in cells)} |", flush=True)


if __name__ == "__main__":
    main()
