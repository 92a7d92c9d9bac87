"""The arguments that benchmarks of a painted picture or clip have in common."""

import argparse


def picture_parser(text: str, *, max_size: int = 416) -> argparse.ArgumentParser:
    """A parser for something to paint and a style, described by `text`."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("style")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--max-size", type=int, default=max_size)
    return parser


def clip_parser(text: str, *, max_size: int = 416) -> argparse.ArgumentParser:
    """The same for a clip, some frames of which are painted."""
    parser = picture_parser(text, max_size=max_size)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--end", type=int, default=24)
    return parser
