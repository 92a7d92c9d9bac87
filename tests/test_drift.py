"""Paint stays on what it was painted on, however many steps it has been carried."""

import numpy as np
import pytest
from conftest import texture

from styletransfer import metrics, pixels
from styletransfer.options import StyleOptions
from styletransfer.video.carry import Painted
from styletransfer.video.chain import paint
from styletransfer.video.drift import WithoutDrift

HEIGHT, WIDTH = 48, 64
SCENE = texture(HEIGHT, 120, seed=3, smooth=2.5)
STYLE = texture(40, 32, seed=2, smooth=1.0)
FEW = {"style_layers": ("block1_conv1", "block2_conv1"), "content_layers": ("block2_conv2",), "max_size": None}
ERROR = 0.08
"""By which every flow, over however many frames, is wrong, in pixels."""


def pan(count, held=()):
    """A camera that moves to the right by a pixel a frame, but for frames that are held."""
    place, frames = 0, []
    for i in range(count):
        place += i > 0 and i not in held
        frames.append(np.ascontiguousarray(SCENE[:, place : place + WIDTH]))
    return frames


class Flow:
    """The motion of a pan, a little wrong, in one row of numbers; every question is noted."""

    def __init__(self, frames):
        self.places = {}
        for frame in frames:
            self.places.setdefault(frame.tobytes(), len(self.places))
        self.asked = []

    def __call__(self, a, b, error=ERROR):
        self.asked.append((a.place, b.place))
        moved = self.places[pixels.to_outside(a.source).tobytes()] - self.places[pixels.to_outside(b.source).tobytes()]
        back = np.broadcast_to(np.float32([moved + (error if moved else 0.0), 0.0]), (HEIGHT, WIDTH, 2))
        return back, -back


def chain(frames, opens=(0,)):
    sources = [pixels.to_inside(frame) for frame in frames]
    return [Painted(source, source, 1, place=i, opens=i in opens) for i, source in enumerate(sources)]


def steps(frames, history=(1, 5), opens=(0,)):
    """The flow of every step as it was mended."""
    whole = chain(frames, opens)
    flows = WithoutDrift(Flow(frames), history)
    return [flows.after(whole[max(0, i - 5) : i])(one, whole[i - 1])[0][0, 0, 0] for i, one in enumerate(whole) if i]


def test_steps_give_back_what_they_drift_by():
    found = steps(pan(9))
    # As wrong as the flow that tells it, which is over as many frames as the scene has, up to five.
    assert found == pytest.approx([1.0 + ERROR / min(n, 5) for n in range(1, 9)], abs=1e-5)


def test_held_frames_are_no_steps():
    found = steps(pan(9, held=(3, 4)))
    assert found[4] == pytest.approx(1.0 + ERROR / 3, abs=1e-5)  # three moves in five frames


def test_steps_are_told_nothing_by_another_scene():
    found = steps(pan(12), opens=(0, 4))
    assert found[4:] == pytest.approx([1.0 + ERROR / min(n, 5) for n in range(1, 8)], abs=1e-5)


def test_with_the_frame_before_alone_nothing_is_mended():
    assert steps(pan(8), history=(1,)) == pytest.approx([1.0 + ERROR] * 7)


def test_every_flow_is_found_once():
    frames = pan(9)
    whole, flow = chain(frames), Flow(frames)
    flows = WithoutDrift(flow, (1, 5))
    for i, one in enumerate(whole[1:], 1):
        ask = flows.after(whole[max(0, i - 5) : i])
        for other in (whole[i - 1], *whole[max(0, i - 5) : i - 4]):
            ask(one, other)
    assert len(flow.asked) == len(set(flow.asked))


def test_paint_stays_on_what_it_was_painted_on(model):
    frames = pan(16)
    flow, options = Flow(frames), {"steps": 1, "temporal_weight": 0.5, **FEW}

    def error(history):
        painted = [
            one.result[0] / 255.0
            for one in paint(frames, STYLE, StyleOptions(history=history, **options), model=model, flow=flow)
        ]
        true = Flow(frames)

        def judge(a, b):
            one, other = chain([a, b])
            return true(one, other, error=0.0)[0]

        return metrics.warping_error(painted, frames, gap=10, flow=judge)

    assert error((1, 10)) < 0.6 * error((1,))


@pytest.mark.parametrize("stop", [3, 6])
def test_a_clip_taken_up_again_drifts_as_if_never_stopped(model, stop):
    frames, options = pan(9), StyleOptions(steps=2, history=(1, 4), **FEW)
    whole = list(paint(frames, STYLE, options, model=model, flow=Flow(frames)))
    how = {"model": model, "flow": Flow(frames), "first": frames[0]}
    earlier = [whole[0], *whole[max(1, stop - 4) : stop]]
    rest = list(paint(frames[stop:], STYLE, options, earlier=earlier, **how))
    for a, b in zip(whole[stop:], rest, strict=True):
        np.testing.assert_array_equal(a.result, b.result)
