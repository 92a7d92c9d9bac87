"""How far a picture is painted after so many evaluations, with several values of a setting.

    python benchmarks/convergence.py CLIP STYLE --weights VGG19.weights.h5 --setting preconditioning --values 0 5 10

A frame of a clip is painted from itself. Printed is the least loss so far, and how many evaluations the first value
takes to get as far (-: more than are made here).
"""

import ast

import numpy as np
from arguments import picture_parser

from styletransfer import StyleOptions, load_model, read_image, read_video, stylize_image

AFTER = 20, 30, 40, 60, 80, 100


def main() -> None:
    parser = picture_parser(__doc__, max_size=256)
    parser.add_argument("--frame", type=int, default=0)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--setting", default="preconditioning")
    parser.add_argument("--values", nargs="+", default=["0", "5", "10"])
    parser.add_argument("--steps", type=int, default=150)
    arguments = parser.parse_args()
    clip = read_video(arguments.source, max_size=arguments.max_size, start=arguments.frame, end=arguments.frame + 1)
    frame, style, model = next(iter(clip)), read_image(arguments.style), load_model(arguments.weights)
    how = {"preset": arguments.preset, "weights": arguments.weights, "max_size": arguments.max_size}
    options = StyleOptions(**how, steps=arguments.steps, tolerance=0.0)
    print(f"| `{arguments.setting}` | {' | '.join(f'after {count}' for count in AFTER)} |")
    print(f"|---|{'---:|' * len(AFTER)}")
    plain: list[float] = []
    for value in map(number, arguments.values):
        totals: list[float] = []
        own = options.replace(**{arguments.setting: value})
        stylize_image(frame, style, options=own, model=model, on_step=lambda one, told=totals: told.append(one.total))
        least = np.minimum.accumulate(totals).tolist()
        plain = plain or least
        cells = [f"{least[count - 1]:.4f} ({reached(plain, least[count - 1])})" for count in AFTER]
        print(f"| {value} | {' | '.join(cells)} |", flush=True)


def number(text: str) -> object:
    """A value as Python writes it, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def reached(losses: list[float], loss: float) -> str:
    """After how many evaluations a run has so low a loss."""
    return next((str(count) for count, each in enumerate(losses, 1) if each <= loss), "-")


if __name__ == "__main__":
    main()
