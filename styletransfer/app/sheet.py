"""Contact sheets: labelled pictures side by side in one picture."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..pictures import Frame, smaller

PAPER, INK = 255, 40
LABEL, GAP = 20, 8
"""Height of a label and distance between pictures, in pixels."""


def contact_sheet(pictures: Mapping[str, Frame], columns: int, *, max_size: int = 320) -> Frame:
    """Pictures by label, row by row, each scaled down to `max_size` on its longer side."""
    return grid([labelled(picture, label, max_size=max_size) for label, picture in pictures.items()], columns)


def labelled(picture: Frame, label: str, *, max_size: int = 320) -> Frame:
    """The picture, at most `max_size` on its longer side, with `label` written below it."""
    small = Image.fromarray(smaller(picture, max_size, max_size))
    sheet = Image.new("RGB", (small.width, small.height + LABEL), (PAPER,) * 3)
    sheet.paste(small)
    draw = ImageDraw.Draw(sheet)
    middle = (small.width / 2, small.height + LABEL / 2)
    draw.text(middle, label, fill=(INK,) * 3, font=ImageFont.load_default(13), anchor="mm")
    return np.array(sheet)


def grid(pictures: Sequence[Frame], columns: int) -> Frame:
    """Pictures row by row on white, each in the middle of its cell; columns and rows as large as they need."""
    rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    heights = [max(picture.shape[0] for picture in row) for row in rows]
    widths = [max(row[i].shape[1] for row in rows if i < len(row)) for i in range(len(rows[0]))]
    tops, lefts = (np.cumsum([GAP, *(size + GAP for size in sizes)]) for sizes in (heights, widths))
    sheet = np.full((tops[-1], lefts[-1], 3), PAPER, np.uint8)
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        height, width = picture.shape[:2]
        y = tops[row] + (heights[row] - height) // 2
        x = lefts[column] + (widths[column] - width) // 2
        sheet[y : y + height, x : x + width] = picture
    return sheet
