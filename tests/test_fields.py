"""Flow fields in files and as pictures: what is written is read, and what is no flow is refused in a sentence."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from styletransfer.motion.fields import FlowFolder, flow_colors, read_flow, write_flow

FIELDS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(2)),
    elements=st.floats(-500, 500, width=32),
)


@pytest.mark.parametrize("ending", [".flo", ".npy"])
@given(field=FIELDS)
def test_float_formats_keep_every_bit(tmp_path_factory, ending, field):
    path = tmp_path_factory.mktemp("flow") / f"a{ending}"
    write_flow(path, field)
    np.testing.assert_array_equal(read_flow(path), field)


@given(field=FIELDS)
def test_kitti_pictures_keep_a_64th_of_a_pixel(tmp_path_factory, field):
    path = tmp_path_factory.mktemp("flow") / "a.png"
    write_flow(path, field)
    assert np.abs(read_flow(path) - field).max() <= 0.5 / 64


def test_kitti_pictures_say_what_is_unknown(tmp_path):
    field = np.zeros((3, 4, 2), np.float32)
    field[1, 2] = np.nan
    write_flow(tmp_path / "a.png", field)
    np.testing.assert_array_equal(read_flow(tmp_path / "a.png"), field)


def test_kitti_pictures_are_read_as_the_benchmark_defines_them(tmp_path):
    picture = np.zeros((2, 2, 3), np.uint16)
    picture[0, 0] = 2**15 + 64 * 3, 2**15 - 32, 1  # 3 px to the right, half a pixel up, valid
    (tmp_path / "a.png").write_bytes(tf.io.encode_png(picture).numpy())
    field = read_flow(tmp_path / "a.png")
    np.testing.assert_array_equal(field[0, 0], [3.0, -0.5])
    assert np.isnan(field[1]).all()


def test_a_displacement_too_long_for_kitti_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"600 px, expected under 512 .* \.flo"):
        write_flow(tmp_path / "a.png", np.full((2, 2, 2), 600.0))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("a.flo", b"PIEX" + bytes(20), "is not a .flo file"),
        ("a.flo", b"PIEH\x02\0\0\0\x02\0\0\0" + bytes(3), "is damaged"),
        ("a.png", b"not a picture", "is not a PNG picture"),
        ("a.png", tf.io.encode_png(np.zeros((2, 2, 3), np.uint8)).numpy(), "three channels of 16 bits"),
        ("a.npy", b"not an array", "is not a NumPy file"),
        ("a.txt", b"1 2", "no known ending"),
        ("a.flo", b"", "is empty"),
    ],
)
def test_what_is_no_flow_is_refused(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_flow(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PIEH",
        b"RIFF" + np.array([1, 1], "<i4").tobytes() + bytes(8),
        b"PIEH" + np.array([2, 2], "<i4").tobytes() + bytes(31),
        b"PIEH" + np.array([2, 2], "<i4").tobytes() + bytes(33),
        b"PIEH" + np.array([2**30, 2**30], "<i4").tobytes() + bytes(64),
        b"PIEH" + np.array([-1, -1], "<i4").tobytes() + bytes(8),
        b"PIEH" + np.array([0, 5], "<i4").tobytes(),
    ],
)
def test_a_damaged_flo_is_named(tmp_path, content):
    path = tmp_path / "damaged.flo"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged\.flo"):
        read_flow(path)


def test_only_a_flow_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"\(4, 5, 3\)"):
        write_flow(tmp_path / "picture.flo", np.zeros((4, 5, 3)))


def test_an_array_of_objects_is_not_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="is not a NumPy file of numbers"):
        read_flow(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "names", [("forward_1_2.flo", "backward_2_1.flo"), ("000001_000002.npy", "x_000002_000001.png")]
)
def test_a_folder_gives_the_flow_of_a_pair(tmp_path, names):
    there, back = np.full((3, 4, 2), 1.5, np.float32), np.full((3, 4, 2), -1.5, np.float32)
    write_flow(tmp_path / names[0], there)
    write_flow(tmp_path / names[1], back)
    folder = FlowFolder(tmp_path)
    np.testing.assert_array_equal(folder(0, 1, (3, 4)), there)
    np.testing.assert_array_equal(folder(1, 0, (3, 4)), back)


def test_a_folder_says_what_is_wrong_with_it(tmp_path):
    with pytest.raises(NotADirectoryError, match="is no folder"):
        FlowFolder(tmp_path / "nothing")
    with pytest.raises(ValueError, match="holds no flow"):
        FlowFolder(tmp_path)
    write_flow(tmp_path / "a_1_2.flo", np.zeros((3, 4, 2)))
    folder = FlowFolder(tmp_path)
    with pytest.raises(ValueError, match="no flow from frame 2 to frame 1"):
        folder(1, 0, (3, 4))
    with pytest.raises(ValueError, match=r"4x3, expected 6x5 .* max_size"):
        folder(0, 1, (5, 6))
    write_flow(tmp_path / "b_1_2.npy", np.zeros((3, 4, 2)))
    with pytest.raises(ValueError, match=r"a_1_2\.flo and b_1_2\.npy: expected one"):
        FlowFolder(tmp_path)


def test_sparse_flow_is_refused_where_dense_flow_is_needed(tmp_path):
    write_flow(tmp_path / "a_1_2.png", np.full((3, 4, 2), np.nan))
    with pytest.raises(ValueError, match="says nothing about some pixels"):
        FlowFolder(tmp_path)(0, 1, (3, 4))


def test_no_motion_is_white_and_unknown_motion_black():
    field = np.zeros((1, 3, 2), np.float32)
    field[0, 1], field[0, 2] = np.nan, (1, 0)
    colors = flow_colors(field)
    np.testing.assert_array_equal(colors[0, :2], [[255, 255, 255], [0, 0, 0]])


@pytest.mark.parametrize("motion, color", [((1, 0), (255, 0, 0)), ((-1, 0), (0, 209, 255))])
def test_hues_are_the_usual_ones(motion, color):
    """In the usual wheel right is red, and left, half a turn of 55 hues away, lies between cyan and blue."""
    found = flow_colors(np.float32([[motion]]))[0, 0]
    assert np.abs(found.astype(int) - color).max() <= 12


@given(angle=st.floats(0, 2 * np.pi))
def test_near_directions_have_near_colors(angle):
    a, b = (np.float32([[[np.cos(t), np.sin(t)]]]) for t in (angle, angle + 0.02))
    assert np.abs(flow_colors(a, largest=1.0).astype(int) - flow_colors(b, largest=1.0)).max() <= 20


def test_longer_motion_than_the_largest_is_darker():
    bright, dark = flow_colors(np.float32([[[2, 0], [5, 0]]]), largest=2.0)[0]
    assert dark.max() < bright.max()
