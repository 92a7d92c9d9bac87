"""The estimator against motion that is known: textures moved by code, and measured ground truth."""

import sys

import numpy as np
import pytest
import tensorflow as tf
from conftest import texture
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from styletransfer.motion import flow as flow_module
from styletransfer.motion import variational
from styletransfer.motion.fields import read_flow
from styletransfer.motion.flow import estimate_flow, estimate_flow_pair, named_flow, there_and_back
from styletransfer.motion.occlusion import disocclusion
from styletransfer.motion.warping import warp

HEIGHT, WIDTH = 64, 96


def end_point_error(flow: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.linalg.norm(flow - truth, axis=-1)


def sinusoidal(height: int, width: int, amplitude: float) -> np.ndarray:
    """A smooth flow that goes through all directions."""
    y, x = np.mgrid[:height, :width] * (2 * np.pi / width)
    return (amplitude * np.stack([np.sin(y) * np.cos(x / 2), np.cos(x)], -1)).astype(np.float32)


def moved(target: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The source of which `flow` leads to `target`."""
    return np.clip(np.rint(warp(target, flow)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def target() -> np.ndarray:
    return texture(HEIGHT, WIDTH, seed=5)


@pytest.mark.parametrize("quality, bound", [("fast", 0.3), ("balanced", 0.1), ("best", 0.1)])
def test_finds_a_sinusoidal_motion(target, quality, bound):
    truth = sinusoidal(HEIGHT, WIDTH, 3.0)
    found = estimate_flow(moved(target, truth), target, quality=quality)
    assert found.shape == (HEIGHT, WIDTH, 2) and found.dtype == np.float32
    assert end_point_error(found, truth)[4:-4, 4:-4].mean() < bound


def test_the_built_in_flow_is_found_there_and_back_together_others_one_after_the_other(target):
    source = moved(target, sinusoidal(HEIGHT, WIDTH, 3.0))
    together = there_and_back(named_flow("builtin", quality="fast"))(source, target)
    np.testing.assert_array_equal(together, estimate_flow_pair(source, target, quality="fast"))
    asked = there_and_back(lambda a, b: [[[float(a[0, 0, 0]), float(b[0, 0, 0])]]])(source, target)
    there = float(source[0, 0, 0]), float(target[0, 0, 0])
    np.testing.assert_array_equal(asked, [[[there]], [[there[::-1]]]])
    assert asked[0].dtype == np.float32


def test_finds_a_square_that_moves_over_still_ground(target):
    size, at, step = 28, (18, 24), np.array([4, -3])  # dx, dy
    square = texture(size, size, seed=6)
    frames = []
    for dx, dy in ((0, 0), step):
        frame = target.copy()
        frame[at[0] + dy : at[0] + dy + size, at[1] + dx : at[1] + dx + size] = square
        frames.append(frame)
    found = estimate_flow(*frames)
    inner = (slice(at[0] + 4, at[0] + size - 4), slice(at[1] + 4, at[1] + size - 4))
    assert np.median(end_point_error(found[inner], step)) < 0.2
    far = np.ones((HEIGHT, WIDTH), bool)
    far[4:58, 16:68] = False
    assert end_point_error(found, 0)[far].mean() < 0.1


@pytest.mark.parametrize("quality, width, speed", [("balanced", 12, -6), ("balanced", 20, 12), ("best", 12, 10)])
def test_finds_a_trunk_that_passes_before_a_pan(quality, width, speed):
    """As wide as a tree trunk, and faster than the ground by up to its own width; what it hides is found too."""
    frames, truth, trunk, hidden = trunk_before_a_pan(width, speed, pan=-2)
    there, back = estimate_flow_pair(*frames, quality=quality)
    error = end_point_error(there, truth)
    assert (error[trunk] < 1).mean() > 0.8
    assert np.median(error[~trunk]) < 0.2
    found = disocclusion(there, back)
    assert 2 * (found & hidden).sum() / (found.sum() + hidden.sum()) > 0.5


def trunk_before_a_pan(width: int, speed: int, pan: int):
    """Two frames, the flow, where the trunk is, and what it hides in the second frame."""
    height, columns, margin = 96, 160, 24
    ground = texture(height, columns + 2 * margin, seed=7, smooth=1.5)
    bark = texture(height, columns + 2 * margin, seed=8, smooth=1.5) // 2
    x = np.arange(columns) - 80 - 4 * np.sin(np.arange(height) / 20)[:, np.newaxis]

    def moved(picture: np.ndarray, shift: int) -> np.ndarray:
        return picture[:, margin - shift : margin - shift + columns]

    trunk, later = np.abs(x) < width / 2, np.abs(x - speed) < width / 2
    frames = [np.where(where[..., np.newaxis], moved(bark, time * speed), moved(ground, time * pan))
              for time, where in enumerate((trunk, later))]  # fmt: skip
    truth = np.stack([np.where(trunk, speed, pan), np.zeros_like(trunk)], -1)
    return frames, truth, trunk, ~trunk & np.roll(later, -pan, 1)


def test_the_pair_is_there_and_back(target):
    truth = sinusoidal(HEIGHT, WIDTH, 3.0)
    source = moved(target, truth)
    there, back = estimate_flow_pair(source, target)
    assert np.abs(there - estimate_flow(source, target)).mean() < 0.02
    round_trip = there + warp(back, there)
    assert np.abs(round_trip[8:-8, 8:-8]).mean() < 0.1
    swapped = estimate_flow_pair(target, source)
    np.testing.assert_allclose(swapped, (back, there), atol=0.02)  # rounding decides what is hidden, here and there


@pytest.mark.parametrize("quality", flow_module.QUALITIES)
def test_identical_frames_do_not_move(target, quality):
    assert np.abs(estimate_flow(target, target, quality=quality)).max() < 1e-3


def test_a_change_of_brightness_is_no_motion(target):
    truth = sinusoidal(HEIGHT, WIDTH, 2.0)
    faded = np.rint(0.95 * moved(target, truth) + 10).astype(np.uint8)
    assert end_point_error(estimate_flow(faded, target), truth)[4:-4, 4:-4].mean() < 0.25


@pytest.mark.parametrize("quality", flow_module.QUALITIES)
def test_a_fade_is_no_motion(quality):
    """A sky that brightens from one side to the other, faintly clouded: it seems to move where it only fades in."""
    y, x = np.mgrid[:HEIGHT, :WIDTH][..., np.newaxis]
    sky = 120 + 1.2 * y + 0.4 * x + (texture(HEIGHT, WIDTH, seed=9).astype(np.float32) - 128) / 16
    bright, dark = (np.rint(light * sky).astype(np.uint8) for light in (1.0, 0.7))
    for flow in estimate_flow_pair(dark, bright, quality=quality):
        assert np.abs(flow).mean() < 0.2


def test_uint8_and_float_are_the_same_picture(target):
    source = moved(target, sinusoidal(HEIGHT, WIDTH, 2.0))
    as_float = estimate_flow(source / 255.0, (target / 255.0).astype(np.float32))
    np.testing.assert_allclose(as_float, estimate_flow(source, target), atol=1e-3)


@settings(max_examples=20)
@given(
    st.sampled_from([(1, 1), (1, 7), (5, 2), (33, 18)]).flatmap(
        lambda shape: st.tuples(*[hnp.arrays(np.uint8, (*shape, 3))] * 2)
    )
)
def test_any_picture_of_any_size_gives_a_finite_flow(pictures):
    for found in estimate_flow_pair(*pictures, quality="fast"):
        assert found.shape == (*pictures[0].shape[:2], 2) and found.dtype == np.float32
        assert np.isfinite(found).all()


@pytest.mark.parametrize("values", [(0, 0), (255, 255), (0, 255), (90, 100)])
def test_flat_pictures_do_not_move(values):
    first, second = (np.full((33, 18, 3), value, np.uint8) for value in values)
    assert np.abs(estimate_flow(first, second)).max() < 1e-3


def test_a_size_is_compiled_once():
    pair = texture(142, 142, seed=5), texture(142, 142, seed=6)
    estimate_flow(*pair)
    compiled = variational._refine_at((1, 1, 142, 142))
    assert compiled.experimental_get_tracing_count() == 1
    estimate_flow(*pair[::-1])
    assert compiled.experimental_get_tracing_count() == 1


@pytest.mark.slow
def test_large_pictures_can_be_estimated_again():
    """Of a graph that is large for the memory, TensorFlow 2.21 makes one that runs once."""
    pictures = texture(1152, 2048 + 8, seed=3, smooth=6.0)
    pair = pictures[:, 8:], pictures[:, :-8]
    for _ in range(2):
        found = estimate_flow_pair(*pair)[0]
        assert np.abs(found[100:-100, 100:-100] - (8.0, 0.0)).mean() < 0.1


def test_large_and_small_pictures_take_the_same_steps(target, monkeypatch):
    """Whether a stage is compiled or runs op by op is a matter of speed alone."""
    source = moved(target, sinusoidal(HEIGHT, WIDTH, 3.0))
    crop = slice(0, 48)  # a size that no other test traces
    small = estimate_flow(source[crop], target[crop], quality="fast")
    monkeypatch.setattr(variational, "LARGE", 0)
    compiled = flow_module._estimate(*flow_module._checked(source[crop], target[crop], "fast"), "fast")
    np.testing.assert_allclose(flow_module._to_flow(compiled[:, 0]), small, atol=0.01)


def test_the_weighted_median_keeps_edges_and_fills_what_is_hidden_from_its_colour():
    shape = (1, 24, 32)
    picture, truth, trust = np.zeros((1, 3, *shape[1:]), np.float32), np.zeros((2, *shape), np.float32), np.ones(shape)
    picture[..., 16:], truth[0, ..., 16:] = 0.5, 4.0
    smeared = truth.copy()
    smeared[0, ..., 13:16], trust[..., 13:16] = 4.0, 0.01  # what is hidden takes the motion of what covers it
    for start, bound in ((truth, 1e-3), (smeared, 0.2)):
        found = tf.constant(start)
        for gap in variational.GAPS:
            guide, weight = tf.constant(picture), tf.constant(trust, tf.float32)
            found = variational._weighted_median(found, guide, weight, tf.constant(gap))
        assert np.abs(found - truth).max() < bound


def test_misfits_are_named(target):
    with pytest.raises(ValueError, match=r"\(64, 96, 3\).*\(63, 96, 3\)"):
        estimate_flow(target, target[1:])
    with pytest.raises(ValueError, match=r"'great'.*fast, balanced, best"):
        estimate_flow(target, target, quality="great")
    with pytest.raises(ValueError, match=r"\(64, 96\)"):
        estimate_flow(target[..., 0], target[..., 0])


def test_names(target):
    source = moved(target, sinusoidal(HEIGHT, WIDTH, 3.0))
    builtin = named_flow("builtin", quality="fast")
    np.testing.assert_array_equal(builtin(source, target), estimate_flow(source, target, quality="fast"))
    with pytest.raises(ValueError, match=r"'deep'.*builtin, dis"):
        named_flow("deep")
    with pytest.raises(ValueError, match=r"'great'"):
        named_flow("builtin", quality="great")


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (5, 3)])
def test_opencv_follows_the_same_convention(shape):
    pytest.importorskip("cv2", reason="the extra [opencv] is not installed")
    target = texture(*shape, seed=5)
    truth = sinusoidal(*shape, 2.0)
    found = named_flow("dis")(moved(target, truth), target)
    assert found.shape == truth.shape and found.dtype == np.float32 and np.isfinite(found).all()
    if shape == (HEIGHT, WIDTH):
        assert end_point_error(found, truth)[8:-8, 8:-8].mean() < 0.5


def test_opencv_is_asked_for_by_name_when_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r'pip install "video-style-transfer\[opencv\]"'):
        named_flow("dis")


@pytest.mark.benchmark
def test_beats_one_pixel_on_middlebury(data):
    import imageio.v3 as iio

    folders = sorted((data / "flow").glob("middlebury_*"))
    if not folders:
        pytest.skip(f"{data / 'flow'} has no middlebury_* folders: the pairs with ground truth")
    errors = []
    for folder in folders:
        found = estimate_flow(iio.imread(folder / "frame1.png"), iio.imread(folder / "frame2.png"))
        truth = read_flow(folder / "flow.flo")
        known = (np.abs(truth) < 1e9).all(-1)
        errors.append(end_point_error(found, truth)[known].mean())
    assert np.mean(errors) < 1.0
