"""Paint that stays on what it was painted on.

Along a chain every frame takes the paint of the one before it, and the flow of each step is wrong by parts of a pixel,
so that after many steps strokes have slid off their things. The flow over several frames, found at once, is no more
wrong than that of one step: it tells how far the steps have drifted, and each gives back its share. The shares are
small and change slowly, so strokes do not tremble, as they do along flows that are found at once.
"""

import functools
import itertools
from collections.abc import Sequence

import numpy as np

from ..motion.gaps import Flow, Pair, compose, drift
from .carry import FlowPair, Painted, scene_of


class WithoutDrift:
    """The flows from a frame of a chain to those before it, the step to the nearest mended.

    Parameters
    ----------
    flow
        Both flows between two frames.
    history
        Distances of the frames that are looked back to. The frame at the farthest tells the drift, in a younger scene
        the first of it; with 1 alone nothing is mended.
    """

    def __init__(self, flow: FlowPair, history: Sequence[int]) -> None:
        self.flow, self.history = flow, history
        self._steps: dict[int, Flow] = {}  # by the place of a frame, the flow to the one before it, as it was found
        self._latest = -1
        self._found: dict[int, Pair] = {}  # from the latest frame, by the place of the other

    def after(self, earlier: Sequence[Painted]) -> FlowPair:
        """The flows from the frame that follows some others, which are, in order, all that the history reaches."""
        return lambda frame, one: self._mended(frame, earlier) if one is earlier[-1] else self._between(frame, one)

    def _mended(self, frame: Painted, earlier: Sequence[Painted]) -> Pair:
        back, forth = self._between(frame, earlier[-1])
        reach = frame.place - max(self.history)
        self._steps = {place: step for place, step in self._steps.items() if place > reach} | {frame.place: back}
        chain = [frame, *reversed(scene_of(earlier))]
        distance = min(max(self.history), len(chain) - 1)
        steps = [self._step(*pair) for pair in itertools.pairwise(chain[: distance + 1])]
        moves = [step for step in steps if step is not None]
        if len(moves) < 2:  # nothing has moved, or the one move is what the flow found at once says, too
            return back, forth
        slid = drift(functools.reduce(compose, moves), self._between(frame, chain[distance]))
        return back - slid / np.float32(len(moves)), forth

    def _step(self, frame: Painted, before: Painted) -> Flow | None:
        """From a frame to the one before it; None if it is a held one. After an interruption it is found once more."""
        if np.array_equal(frame.source, before.source):
            return None
        if frame.place not in self._steps:
            self._steps[frame.place] = self.flow(frame, before)[0]
        return self._steps[frame.place]

    def _between(self, frame: Painted, one: Painted) -> Pair:
        if frame.place != self._latest:
            self._latest, self._found = frame.place, {}
        if one.place not in self._found:
            self._found[one.place] = self.flow(frame, one)
        return self._found[one.place]
