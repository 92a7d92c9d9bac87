"""Several passes over a clip, forward and backward (Ruder et al. 2016, section 3.4).

The first pass paints every frame on its own. Each later one goes over the clip in the other direction than the one
before, starts every frame from its own last result blended with its neighbour's, moved along the flow, and takes a
few steps. So what is seen at the end of a clip reaches its beginning, and the border of a pan gets paint from both
sides.

Between the passes the frames lie in a folder, a file each, with their float32 results: clips may be longer than
memory. A file says how many passes its frame has seen, so a run that was killed goes on where it stopped.
"""

import itertools
import pathlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from ..image import prepare
from ..options import StyleOptions
from ..solver import Targets
from ..styles import StyleLike, Styles, read_styles
from . import state
from .carry import FlowPair, Painted, carry, masks_of, repeats
from .chain import OnStep, finished, load_frames, paint_alone


class Visit(NamedTuple):
    """A frame after a pass."""

    passes: int  # it has seen, this one included
    place: int  # of the frame in the clip, from 0
    painted: Painted


def paint_passes(
    frames: Iterable[npt.ArrayLike],
    style: StyleLike,
    options: StyleOptions,
    folder: pathlib.Path,
    *,
    model: keras.Model | None = None,
    flow: FlowPair,
    on_step: OnStep = None,
    regions: Iterable[npt.ArrayLike] | None = None,
) -> Iterator[Visit]:
    """Paint a clip in the options' `passes`, yielding every frame of every pass; the results lie in `folder`.

    What a stopped run left in `folder` is taken over: its visits are yielded again, without work. The options'
    `steps` are shared out among the passes.
    """
    pictures, steps = read_styles(style), options.steps // options.passes
    loaded = load_frames(frames, options, len(pictures), regions)
    first = next(loaded, None)
    if first is None:
        return
    styles = prepare(first.source, pictures, options, model)  # before anything is written: it may refuse
    count = _spread(itertools.chain([first], loaded), folder)
    for number in range(1, options.passes + 1):
        memory: deque[Painted] = deque(maxlen=max(options.history))
        for index in range(count) if number % 2 else reversed(range(count)):
            done, painted = _load(folder, index)
            if memory and repeats(painted, memory[-1], options.still_threshold):
                memory.append(memory[-1]._replace(steps=0, place=index, explained=1.0))
                painted = painted._replace(result=memory[-1].result, steps=0)
            else:
                if done < number == 1:
                    painted = paint_alone(styles, painted, options, on_step, steps)
                elif done < number:
                    frame, targets = _blend(styles, painted, memory, number, options, flow)
                    painted = finished(frame, styles.solver.run(frame.result, targets, steps=steps), on_step)
                memory.append(painted)
            if done < number:
                _store(folder, index, number, painted)
            yield Visit(number, index, painted)


def stored(folder: pathlib.Path) -> Iterator[Painted]:
    """The frames in `folder`, in order, as the last pass over each left them."""
    index = 0
    while _file(folder, index).exists():
        yield _load(folder, index)[1]
        index += 1


def _blend(
    styles: Styles,
    own: Painted,
    memory: Sequence[Painted],
    number: int,
    options: StyleOptions,
    flow: FlowPair,
) -> tuple[Painted, Targets]:
    """Where a frame starts, x = own + blend c (neighbour - own), and what it is optimised towards.

    Ruder et al. 2016, eq. 10; the neighbour is the frame before it in the direction of the pass.
    """
    carried = carry(memory, own, options.history, flow, masks=masks_of(options))
    if carried is None:
        return own._replace(explained=1.0), styles.targets(own.source, own.place, own.regions)
    seen = np.minimum(carried.reliability.sum(axis=0), 1.0)[np.newaxis, ..., np.newaxis]
    result = own.result + np.float32(options.blend) * seen * (carried.start - own.result)
    blended = own._replace(result=result, explained=carried.explained)
    if number < options.temporal_from:
        return blended, styles.targets(own.source, own.place, own.regions)
    return blended, styles.targets(own.source, own.place, own.regions, carried.warped, carried.reliability)


# ---------------------------------------------------------------- the folder


def _spread(frames: Iterable[Painted], folder: pathlib.Path) -> int:
    """Lay the frames out in the folder, as they are before the first pass, and count them.

    Those that are there from an earlier run stay, if they are what it can have left: one frame less, or another, and
    the frames around it would come out differently.
    """
    folder.mkdir(parents=True, exist_ok=True)
    passes: list[int] = []
    for frame in frames:
        file, done = _file(folder, frame.place), 0
        if file.exists():
            done, kept = _load(folder, frame.place)
            if kept.place != frame.place or not np.array_equal(kept.source, frame.source):
                raise ValueError(f"{file} is of another frame: remove its folder and start again")
        else:
            _store(folder, frame.place, 0, frame)
        passes.append(done)
    forward = max(passes) % 2 == 1  # in which direction the latest pass goes
    if max(passes) - min(passes) > 1 or passes != sorted(passes, reverse=forward):
        raise ValueError(f"{folder} lacks some frames of an earlier run: remove it and start again")
    return len(passes)


def _file(folder: pathlib.Path, index: int) -> pathlib.Path:
    return folder / f"{index + 1:06d}.npz"


def _store(folder: pathlib.Path, index: int, number: int, painted: Painted) -> None:
    state.store(_file(folder, index), painted, passes=number)


def _load(folder: pathlib.Path, index: int) -> tuple[int, Painted]:
    """How many passes a frame has seen, and the frame."""
    painted, passes = state.load(_file(folder, index))
    return passes, painted
