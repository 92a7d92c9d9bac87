"""A picture in tiles: sums over its features, and their gradient, in memory that does not grow with the picture.

A tile is seen with a margin as wide as the network's field of view, and only what lies inside the margin counts, so the
result is that of the whole picture. What the losses need of a picture's features is small (`Seen`): the features are
forgotten tile by tile, and made again, tile by tile, for the gradient.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf


class Tile(NamedTuple):
    """A part of a picture: what the network is shown, and the part of that which counts. `(y, x)` in pixels."""

    shown: tuple[slice, slice]
    counts: tuple[slice, slice]
    whole: tuple[int, int]  # height and width of the picture

    def cut(self, images: tf.Tensor) -> tf.Tensor:
        """What is shown of `(n, H, W, C)`."""
        return images[:, self.shown[0], self.shown[1]]

    def inside(self, features: tf.Tensor, stride: int) -> tf.Tensor:
        """What counts of a layer `(n, h, w, C)` of the tile, with so many pixels from one position to the next."""
        rows, columns = (
            slice((c.start - s.start) // stride, None if c.stop == s.stop else (c.stop - s.start) // stride)
            for c, s in zip(self.counts, self.shown, strict=True)
        )
        return features[:, rows, columns]

    def of_whole(self, features: tf.Tensor, stride: int) -> tf.Tensor:
        """The same part of a layer `(n, h, w, C)` of the whole picture."""
        rows, columns = (
            slice(c.start // stride, None if c.stop == end else c.stop // stride)
            for c, end in zip(self.counts, self.whole, strict=True)
        )
        return features[:, rows, columns]

    def share(self, stride: int) -> float:
        """Of a layer's positions, how many count."""
        ends = [(c.stop if c.stop < end else end) // stride for c, end in zip(self.counts, self.whole, strict=True)]
        rows, columns = (end - c.start // stride for c, end in zip(self.counts, ends, strict=True))
        return rows * columns / ((self.whole[0] // stride) * (self.whole[1] // stride))


class Seen(NamedTuple):
    """What is known of a picture: `maps` of the parts that count, stitched together, and `sums` over them."""

    maps: tuple[tf.Tensor, ...]  # (1, h, w, C)
    sums: tuple[tf.Tensor, ...]


See = Callable[[tf.Tensor, Tile], Seen]
"""What is shown of a tile, `(1, h, w, 3)`, and the tile -> what of it counts."""


def tiles(shape: tuple[int, int], largest: int | None, margin: int, step: int) -> list[list[Tile]]:
    """Rows of tiles that cover a picture of `shape`, as even in size as can be.

    Parameters
    ----------
    shape
        Height and width in pixels.
    largest
        Side of what the network is shown at most, in pixels; None for the whole picture.
    margin
        How far in pixels a position of the deepest layer sees.
    step
        What the tiles' edges are multiples of: pixels from one position of the deepest layer to the next.

    Raises
    ------
    ValueError
        If nothing but margin fits into `largest`.
    """
    margin = -(-margin // step) * step
    if largest is not None and max(shape) > largest and largest < 2 * margin + step:
        raise ValueError(
            f"max_tile={largest}, expected at least {2 * margin + step} pixels for these layers: a tile is seen with "
            f"{margin} pixels of what lies around it"
        )
    rows, columns = ([*_spans(side, largest, margin, step)] for side in shape)
    return [[Tile((r[0], c[0]), (r[1], c[1]), shape) for c in columns] for r in rows]


def _spans(side: int, largest: int | None, margin: int, step: int) -> list[tuple[slice, slice]]:
    if largest is None or side <= largest:
        return [(slice(0, side), slice(0, side))]
    room = (largest - 2 * margin) // step * step
    count = -(-side // room)
    edges = [side * i // count // step * step for i in range(count)] + [side]
    return [
        (slice(max(0, begin - margin), min(side, end + margin)), slice(begin, end))
        for begin, end in itertools.pairwise(edges)
    ]


def in_tiles(see: See, image: tf.Tensor, grid: Sequence[Sequence[Tile]], strides: Sequence[int]) -> Seen:
    """`see` of every tile of `image`, `(1, H, W, 3)`, put together; differentiable with respect to `image`.

    One tile after the other, both ways: of the features only one tile's are in memory at a time. `strides` are those of
    the maps: pixels from one position to the next.
    """
    if len(grid) == len(grid[0]) == 1:
        return see(image, grid[0][0])

    @tf.custom_gradient
    def seen(image: tf.Tensor) -> tuple[list[tf.Tensor], Callable[..., Any]]:
        together = _stitched(see, image, grid)

        def gradient(*upstream: tf.Tensor, variables: Sequence[tf.Variable] = ()) -> Any:
            wanted = Seen(upstream[: len(strides)], upstream[len(strides) :])
            slope = _gradient(see, image, grid, wanted, strides)
            return (slope, [None] * len(variables)) if variables else slope  # the network's weights stay as they are

        return [*together.maps, *together.sums], gradient

    flat = seen(image)
    return Seen(tuple(flat[: len(strides)]), tuple(flat[len(strides) :]))


def _stitched(see: See, image: tf.Tensor, grid: Sequence[Sequence[Tile]]) -> Seen:
    bands: list[list[tf.Tensor]] = []
    sums: tuple[tf.Tensor, ...] = ()
    done: list[tf.Tensor] = []
    for row in grid:
        pieces = []
        for tile in row:
            with tf.control_dependencies(done):  # else TensorFlow would see all of them at once
                one = see(tf.identity(tile.cut(image)), tile)
                sums = tuple(map(tf.add, sums, one.sums)) if sums else one.sums
            pieces.append(one.maps)
            done = [*one.maps, *sums]
        bands.append([tf.concat(parts, axis=2) for parts in zip(*pieces, strict=True)])
    return Seen(tuple(tf.concat(parts, axis=1) for parts in zip(*bands, strict=True)), sums)


def _gradient(
    see: See, image: tf.Tensor, grid: Sequence[Sequence[Tile]], upstream: Seen, strides: Sequence[int]
) -> tf.Tensor:
    total = tf.zeros_like(image)
    for tile in (tile for row in grid for tile in row):
        with tf.control_dependencies([total]):
            part = tf.identity(tile.cut(image))
            with tf.GradientTape() as tape:
                tape.watch(part)
                one = see(part, tile)
            maps = [tile.of_whole(whole, stride) for whole, stride in zip(upstream.maps, strides, strict=True)]
            slope = tape.gradient([*one.maps, *one.sums], part, [*maps, *upstream.sums])
            around = [(s.start, end - s.stop) for s, end in zip(tile.shown, tile.whole, strict=True)]
            total += tf.pad(slope, [(0, 0), *around, (0, 0)])
    return total
