"""Pictures of our own, drawn without any file: what is painted, and what it is painted with.

`demo_clip` is an animated evening landscape; the others are style pictures.
"""

from .landscape import demo_clip
from .paintings import DAWN, INK, demo_style, mosaic, recoloured, woodcut

__all__ = ["DAWN", "INK", "demo_clip", "demo_style", "mosaic", "recoloured", "woodcut"]
