"""Several styles, regions, colours and scales do what their names say."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from conftest import texture
from hypothesis import given
from hypothesis import strategies as st

from styletransfer import StyleOptions, pixels, stylize_frames, stylize_image, stylize_video, write_image, write_video
from styletransfer.image import prepare, shown
from styletransfer.pixels import luminance
from styletransfer.solver import TERMS, scale_sizes
from styletransfer.styles import at_size, in_frames, read_styles, recolored, region_shares, with_colors_of
from styletransfer.times import parse_mix
from styletransfer.video.frames import painter_of
from styletransfer.video.regions import open_regions

CONTENT = texture(32, 48, seed=1)
STYLES = [texture(40, 32, seed=2, smooth=1.0), 255 - texture(32, 40, seed=3, smooth=3.0), texture(36, 36, seed=4)]
QUICK = {
    "content_layers": ("block2_conv1",),
    "style_layers": ("block1_conv1", "block1_conv2"),
    "precision": "float32",
    "history": (1,),
    "tolerance": 0.0,
    "slack": 0.0,
}
INSIDE = CONTENT[np.newaxis].astype(np.float32)


def styles_of(model, pictures, **settings):
    return prepare(INSIDE, pictures, StyleOptions(**QUICK | settings), model)


def style_term(styles, image, **where) -> tuple[float, np.ndarray]:
    """The style loss of a picture and its gradient."""
    solver, targets = styles.solver, styles.targets(INSIDE, **where)
    with tf.GradientTape() as tape:
        x = tf.constant(image)
        tape.watch(x)
        terms = dict(zip(TERMS, solver._terms(x, targets), strict=True))
    return float(terms["style"]), tape.gradient(terms["style"], x).numpy()


OTHER = texture(32, 48, seed=9)[np.newaxis].astype(np.float32)


# ---------------------------------------------------------------- several styles


def test_mixed_styles_pull_as_the_weighted_sum_of_their_losses(model):
    both = styles_of(model, STYLES[:2], mix=(3.0, 1.0))
    _, gradient = style_term(both, OTHER)
    each = []
    for picture in STYLES[:2]:
        alone = styles_of(model, STYLES[:2])  # so that the network is scaled alike
        alone.pictures = (picture,)
        each.append(style_term(alone, OTHER)[1])
    np.testing.assert_allclose(gradient, 0.75 * each[0] + 0.25 * each[1], atol=1e-5 * np.abs(gradient).max())


def test_a_style_twice_is_that_style(model):
    once, twice = (styles_of(model, s, normalize=False) for s in (STYLES[0], [STYLES[0], STYLES[0]]))
    assert style_term(twice, OTHER)[0] == pytest.approx(style_term(once, OTHER)[0], rel=1e-5)


def test_weights_change_linearly_between_the_times_given(model):
    styles = styles_of(model, STYLES[:2], mix="1,0@4; 0,1@8")
    for place, share in {0: 0.0, 4: 0.0, 5: 0.25, 6: 0.5, 8: 1.0, 100: 1.0}.items():
        np.testing.assert_allclose(styles._weights(place), [1.0 - share, share], atol=1e-6)


@pytest.mark.parametrize("loss", ["gram", "wasserstein"])
def test_a_mix_at_its_ends_is_one_style_alone(model, loss):
    over_time = styles_of(model, STYLES[:2], mix={0: (1, 0), 10: (0, 1)}, style_loss=loss)
    constant = styles_of(model, STYLES[:2], mix=(0, 1), style_loss=loss)
    assert style_term(over_time, OTHER, place=10)[0] == pytest.approx(style_term(constant, OTHER)[0], rel=1e-6)
    assert style_term(over_time, OTHER, place=0)[0] != pytest.approx(style_term(constant, OTHER)[0], rel=1e-2)


def test_a_still_clip_follows_a_style_that_changes(model):
    frames = [CONTENT] * 4
    painted = list(
        stylize_frames(frames, STYLES[:2], model=model, mix="1,0@0; 0,1@3", steps=10, **QUICK | {"history": (1,)})
    )
    changes = [np.abs(a.astype(float) - b).mean() for a, b in itertools.pairwise(painted)]
    assert min(changes) > 0.5


def test_seconds_become_frames_at_the_rate_of_the_clip():
    options = in_frames(StyleOptions(mix="1,0@12; 0,1@2.5s"), 24.0)
    assert parse_mix(options.mix) == {12: (1.0, 0.0), 60: (0.0, 1.0)}
    assert (options.still_threshold, options.slack) == (0.0, 0.0)
    assert in_frames(StyleOptions(mix=(1, 2)), None) == StyleOptions(mix=(1, 2))
    with pytest.raises(ValueError, match="has seconds, and these frames have no rate"):
        in_frames(StyleOptions(mix="1,0@0; 0,1@2.5s"), None)


weights = st.lists(st.floats(0.01, 10.0), min_size=2, max_size=2).map(tuple)


@given(st.dictionaries(st.integers(0, 10**6) | st.floats(0.0, 1e5), weights, min_size=1, max_size=4))
def test_a_mix_survives_being_written_as_text(times):
    mix = StyleOptions(mix=times).mix
    assert isinstance(mix, str)
    assert parse_mix(mix) == times
    assert StyleOptions(mix=mix).mix == mix


@pytest.mark.parametrize("mix", ["1,x", "1,0@", "1,0@0; 1@5", "-1,2", "0,0", (0.0, 0.0), (1, float("nan")), 5, "1@-3"])
def test_what_is_no_mix_is_refused(mix):
    with pytest.raises(ValueError, match="expected as many weights as style pictures"):
        StyleOptions(mix=mix)


def test_there_is_a_weight_for_every_style(model):
    with pytest.raises(ValueError, match="has 2 weights, expected one for each of the 3 style pictures"):
        styles_of(model, STYLES, mix=(1, 2))
    with pytest.raises(ValueError, match="has 2 weights, expected one for each of the 3 style pictures"):
        stylize_frames([], STYLES, mix=(1, 2))  # at the call, before the network is there
    with pytest.raises(ValueError, match="style is an empty list"):
        read_styles([])
    with pytest.raises(ValueError, match="style 2 has shape"):
        read_styles([STYLES[0], STYLES[0][..., 0][np.newaxis]])


def test_one_picture_is_one_picture_however_it_is_written():
    small = STYLES[0][:3, :2]
    for style in (small, small.tolist(), [small], (small,)):
        if isinstance(style, list) and not isinstance(style[0], np.ndarray):
            style = (np.array(style) / 255.0).tolist()
        (read,) = read_styles(style)
        assert read.shape == small.shape


# ---------------------------------------------------------------- weights of layers, size of strokes


def test_a_layer_of_weight_0_does_not_count(model):
    one = styles_of(model, STYLES[0], style_layer_weights=(2.0, 0.0))
    other = styles_of(model, STYLES[0], style_layers=("block1_conv1",))
    # The deeper layer is still there, but the network that both share is scaled alike up to the first.
    assert style_term(one, OTHER)[0] == pytest.approx(style_term(other, OTHER)[0], rel=1e-5)


def test_layer_weights_fit_the_layers():
    with pytest.raises(ValueError, match="expected 5 of them"):
        StyleOptions(style_layer_weights=(1.0, 2.0))
    with pytest.raises(ValueError, match="style_layer_weights"):
        StyleOptions(style_layers=("block1_conv1",), style_layer_weights=(0.0,))


@given(st.floats(0.3, 3.0), st.integers(20, 90), st.integers(20, 90))
def test_the_style_picture_has_the_area_of_the_frame_times_the_square_of_its_scale(scale, height, width):
    picture = at_size(STYLES[0], (height, width), scale, 4)
    assert picture.shape[1] * picture.shape[2] == pytest.approx(scale**2 * height * width, rel=0.15)


# ---------------------------------------------------------------- regions


def halves() -> np.ndarray:
    mask = np.zeros((32, 48), np.uint8)
    mask[:, 24:] = 255
    return mask


def test_a_region_feels_nothing_of_the_other_style(model):
    """The gradient in the left half is the same whatever the style of the right half is."""
    gradients = []
    for second in STYLES[1:]:
        styles = styles_of(model, [STYLES[0], second], normalize=False)
        shares = region_shares(halves(), 2, (32, 48))
        gradients.append(style_term(styles, OTHER, regions=shares)[1])
    reach = 4  # of the kernels of two convolutions, and a bit
    np.testing.assert_allclose(*(g[:, :, : 24 - reach] for g in gradients), rtol=1e-4, atol=1e-12)
    assert not np.allclose(*(g[:, :, 24 + reach :] for g in gradients), rtol=0.1)


def test_regions_of_one_style_everywhere_are_no_regions(model):
    styles = styles_of(model, STYLES[:2], mix=(0, 1))
    everywhere = styles_of(model, STYLES[:2])
    shares = region_shares(np.full((8, 8), 255, np.uint8), 2, (32, 48))
    assert style_term(everywhere, OTHER, regions=shares)[0] == pytest.approx(style_term(styles, OTHER)[0], rel=1e-5)


@pytest.mark.parametrize("loss", ["gram", "wasserstein"])
def test_where_no_style_goes_the_picture_stays_as_it_is(model, loss):
    how = {**QUICK, "model": model, "steps": 15, "style_loss": loss}
    painted = stylize_image(CONTENT, STYLES[0], regions=halves(), **how)
    changed = np.abs(painted.astype(float) - CONTENT).mean(axis=(0, 2))
    assert changed[:18].max() < 2.0
    assert changed[28:].min() > 4.0


def test_broad_areas_are_not_changed_across_the_border_to_where_no_style_goes(model):
    """Not even if no content holds them: beyond what the network sees of the region nothing pulls."""
    how = {**QUICK, "model": model, "steps": 15, "content_weight": 0.0, "preconditioning": 1000.0}
    painted = stylize_image(CONTENT, STYLES[0], regions=halves(), **how)
    np.testing.assert_array_equal(painted[:, :18], CONTENT[:, :18])
    assert (painted[:, 28:] != CONTENT[:, 28:]).any()


def test_colours_of_a_mask_name_three_styles():
    mask = np.zeros((1, 4, 3), np.uint8)
    mask[0, 0, 0] = mask[0, 1, 1] = mask[0, 2, 2] = 255
    np.testing.assert_array_equal(region_shares(mask, 3, (1, 4))[:, 0], np.eye(3, 4))
    grey = np.float32([[0.0, 0.25, 1.0]])
    np.testing.assert_allclose(region_shares(grey, 2, (1, 3))[:, 0], [[1, 0.75, 0], [0, 0.25, 1]])
    np.testing.assert_allclose(region_shares(grey, 1, (1, 3))[:, 0], [[0, 0.25, 1]])
    white = np.ones((2, 2, 3))
    assert region_shares(white, 3, (2, 2)).sum(axis=0) == pytest.approx(1.0)


@given(
    st.integers(1, 4),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_shares_are_shares_at_the_size_of_the_frame(styles, mask, shape):
    channels = {1: 1, 2: 1, 3: 3, 4: 4}[styles]
    values = np.random.default_rng(0).random((*mask, channels))
    shares = region_shares(values, styles, shape)
    assert shares.shape == (styles, *shape)
    assert shares.dtype == np.float32
    assert shares.min() >= 0.0
    assert shares.sum(axis=0).max() <= 1.0 + 1e-5


@pytest.mark.parametrize(
    ("mask", "styles", "message"),
    [
        (np.zeros((4, 4, 2), np.uint8), 1, "expected .height, width. or"),
        (np.zeros(4, np.uint8), 1, "expected .height, width. or"),
        (np.zeros((4, 4), int), 2, "expected uint8, or floats"),
        (np.full((4, 4), 2.0), 2, "expected uint8, or floats"),
        (np.full((4, 4), np.nan), 2, "expected uint8, or floats"),
        (np.zeros((4, 4), np.uint8), 3, "regions is grey, expected colours"),
        (np.zeros((4, 4, 3), np.uint8), 5, "expected a channel for each of the 5 styles"),
    ],
)
def test_what_is_no_mask_is_refused(mask, styles, message):
    with pytest.raises(ValueError, match=message):
        region_shares(mask, styles, (4, 4))


def test_a_mask_video_goes_frame_by_frame_with_the_clip(model, tmp_path):
    """The region wanders from left to right; what it has left is painted, what it has not reached is not."""
    frames = [CONTENT] * 3
    masks = [np.zeros((32, 48), np.uint8) for _ in frames]
    for i, mask in enumerate(masks):
        mask[:, 16 * i : 16 * i + 16] = 255
    write_video(tmp_path / "masks.mkv", (np.repeat(m[..., np.newaxis], 3, axis=-1) for m in masks), fps=25)
    how = {**QUICK, "model": model, "steps": 12}
    for regions in (tmp_path / "masks.mkv", masks):
        painted = list(stylize_frames(frames, STYLES[0], regions=regions, **how))
        changed = [np.abs(p.astype(float) - CONTENT).mean(axis=(0, 2)) for p in painted]
        assert changed[0][24:].max() < 3.0  # not reached yet
        assert changed[2][38:44].mean() > 3.0 * changed[0][38:44].mean()
        assert changed[0][4:12].mean() > 4.0
    with pytest.raises(ValueError, match="regions end before frame 2"):
        list(stylize_frames(frames, STYLES[0], regions=masks[:2], **how))


def test_what_is_no_mask_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_regions(tmp_path / "none.png", StyleOptions())
    with pytest.raises(TypeError, match="regions is a int"):
        open_regions(5, StyleOptions())


MASKS = [np.roll(halves(), 3 * i, axis=1) for i in range(5)]


@pytest.mark.parametrize("settings", [{}, {"keyframes": 2}, {"passes": 2}])
@pytest.mark.parametrize("where", [{"regions": MASKS}, {"mix": "1,0@0; 0,1@4"}], ids=["regions", "mix"])
def test_a_stopped_job_with_regions_or_a_mix_goes_on_alike(model, tmp_path, settings, where):
    """Stopped half way through: the same files as without a stop."""
    frames = [np.roll(CONTENT, i, axis=1) for i in range(5)]
    how = {**QUICK, "model": model, "steps": 4, "progress": False, **settings}
    total = []
    whole = stylize_video(frames, STYLES[:2], tmp_path / "whole", on_step=total.append, **where, **how)

    class StopError(Exception):
        pass

    evaluations = itertools.count(1)

    def stop(_):
        if next(evaluations) == len(total) // 2:
            raise StopError

    with pytest.raises(StopError):
        stylize_video(frames, STYLES[:2], tmp_path / "part", on_step=stop, **where, **how)
    with pytest.raises(ValueError, match="other arguments"):
        stylize_video(frames, STYLES[:2], tmp_path / "part", regions=MASKS[::-1], **how)
    part = stylize_video(frames, STYLES[:2], tmp_path / "part", **where, **how)
    for file in sorted(whole.iterdir()):
        assert file.read_bytes() == (part / file.name).read_bytes()


def test_masks_that_will_not_do_are_refused_before_the_work(model, tmp_path):
    how = {**QUICK, "model": model, "progress": False}
    call = [CONTENT] * 5, STYLES[:2], tmp_path / "out"
    with pytest.raises(TypeError, match="pass a list of masks"):
        stylize_video(*call, regions=iter(MASKS), **how)
    with pytest.raises(ValueError, match="regions has 3 masks, expected 5"):
        stylize_video(*call, regions=MASKS[:3], **how)
    write_video(tmp_path / "masks.mkv", (np.repeat(m[..., np.newaxis], 3, axis=-1) for m in MASKS[:3]), fps=25)
    with pytest.raises(ValueError, match="regions has 3 masks, expected 5"):
        stylize_video(*call, regions=tmp_path / "masks.mkv", **how)
    assert not list(tmp_path.glob("out*"))


def test_regions_and_a_mix_contradict_each_other(model):
    how = {**QUICK, "model": model, "mix": (0.5, 0.5)}
    with pytest.raises(ValueError, match="give one of the two"):
        stylize_image(CONTENT, STYLES[:2], regions=halves(), **how)
    with pytest.raises(ValueError, match="give one of the two"):
        stylize_frames([CONTENT], STYLES[:2], regions=halves(), **how)


def test_regions_fit_every_layer_that_a_style_may_be_held_by(model):
    layers = ("block1_conv2", "block1_pool", "block2_conv1", "block2_pool", "block3_conv4")
    styles = styles_of(model, STYLES[:2], style_layers=layers)
    assert style_term(styles, OTHER, regions=region_shares(halves(), 2, (32, 48)))[0] > 0.0


def test_a_style_that_stays_is_measured_once(model):
    styles = styles_of(model, STYLES[:2], style_loss="wasserstein")
    (one,), (other,) = (styles.targets(content, place).styles for content, place in ((INSIDE, 0), (OTHER, 7)))
    assert len(one.layers) == 2
    assert all(a is b for a, b in zip(tf.nest.flatten(one.layers), tf.nest.flatten(other.layers), strict=True))


# ---------------------------------------------------------------- colours and strength


def test_a_matched_style_has_the_mean_and_covariance_of_the_content():
    content = (CONTENT * [0.5, 0.3, 0.2] + [60, 90, 100]).astype(np.float32)[np.newaxis]
    style = (0.6 * STYLES[0] + 50).astype(np.float32)[np.newaxis]
    ours, theirs = (x.reshape(-1, 3) for x in (recolored(style, content, "match"), content))
    np.testing.assert_allclose(ours.mean(axis=0), theirs.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(ours.T), np.cov(theirs.T), atol=0.02 * np.cov(theirs.T).max())


def test_a_style_of_the_content_s_colours_stays_as_it_is():
    np.testing.assert_allclose(recolored(INSIDE, INSIDE, "match"), INSIDE, atol=0.01)


def test_a_flat_content_gives_a_flat_style():
    flat = np.full_like(INSIDE, 40.0)
    for how in ("match", "luminance"):
        assert np.isfinite(recolored(INSIDE, flat, how)).all()
        assert recolored(INSIDE, flat, how).std() < 2.0


def test_luminance_keeps_the_colours_and_takes_the_light():
    painted = np.float32(60) + 0.5 * OTHER
    grey = np.float32(60) + 0.5 * INSIDE
    mixed = with_colors_of(painted, grey)
    np.testing.assert_allclose(luminance(mixed), luminance(painted), atol=1e-3)
    np.testing.assert_allclose(mixed - luminance(mixed)[..., None], grey - luminance(grey)[..., None], atol=1e-3)


def test_colours_are_kept_in_every_frame_of_a_clip(model):
    """Differences of the channels, which light does not change, are those of the source."""
    frames = [np.roll((100 + 0.2 * CONTENT).astype(np.uint8), i, axis=1) for i in range(3)]
    how = {**QUICK, "model": model, "steps": 8, "preserve_color": "luminance"}
    for frame, painted in zip(frames, stylize_frames(frames, STYLES[0], **how), strict=True):
        inside = (painted > 0).all(axis=-1) & (painted < 255).all(axis=-1)
        ours, theirs = (np.diff(x.astype(float), axis=-1)[inside] for x in (painted, frame))
        np.testing.assert_allclose(ours, theirs, atol=1.01)
        assert np.abs(painted.astype(float) - frame).mean() > 1.0


def test_strength_lays_the_painting_over_the_picture(model):
    how = {**QUICK, "model": model, "steps": 8}
    full, half, none = (stylize_image(CONTENT, STYLES[0], strength=s, **how).astype(float) for s in (1.0, 0.5, 0.0))
    np.testing.assert_array_equal(none, CONTENT)
    np.testing.assert_allclose(half, (full + CONTENT) / 2, atol=1.0)
    assert np.abs(full - CONTENT).mean() > 4.0


def test_strength_leaves_no_trace_in_what_the_next_frame_starts_from(model):
    frames = [np.roll(CONTENT, i, axis=1) for i in range(3)]
    full, half = (
        [
            shown(p.result, p.source, options)
            for p in painter_of(options)(frames, STYLES[0], options, model=model, flow=still)
        ]
        for options in (StyleOptions(**QUICK, steps=5, strength=s) for s in (1.0, 0.5))
    )
    for a, b, frame in zip(full, half, frames, strict=True):
        np.testing.assert_allclose(b, (a.astype(float) + frame) / 2, atol=1.0)


def still(a, b):
    return np.zeros((32, 48, 2), np.float32), np.zeros((32, 48, 2), np.float32)


# ---------------------------------------------------------------- coarse to fine


def test_with_scales_the_style_loss_is_the_mean_of_those_at_every_size(model):
    styles = styles_of(model, STYLES[:1], scales=3)
    together, gradient = style_term(styles, OTHER)
    each = []
    for size in ((8, 12), (16, 24), (32, 48)):
        alone = styles_of(model, STYLES[:1])
        small = tf.image.resize(OTHER, size, method="bicubic", antialias=True).numpy()
        targets = alone.targets(np.zeros_like(small))
        each.append(float(alone.solver._terms(tf.constant(small), targets)[1]))
    assert together == pytest.approx(np.mean(each), rel=1e-4)
    direction = texture(32, 48, seed=5)[np.newaxis].astype(np.float32) - 128
    there, back = (style_term(styles, OTHER + sign * np.float32(0.01) * direction)[0] for sign in (1, -1))
    assert (there - back) / 0.02 == pytest.approx(float((gradient * direction).sum()), rel=2e-2)


@given(st.integers(8, 5000), st.integers(8, 5000), st.integers(1, 8), st.none() | st.integers(16, 6000))
def test_scales_are_evenly_spaced_and_end_at_the_picture(height, width, scales, coarsest):
    sizes = scale_sizes((height, width), StyleOptions(scales=scales, coarsest=coarsest), 8)
    assert sizes[-1] == (height, width) and len(sizes) <= scales
    ratios = [max(large) / max(small) for small, large in itertools.pairwise(sizes)]
    assert all(1.0 < ratio < 2.3 or coarsest is not None for ratio in ratios)
    if coarsest is not None and len(sizes) > 1:
        assert max(sizes[0]) >= 0.9 * coarsest
    if coarsest is not None and scales > 1 and coarsest * 2 < max(height, width) and min(sizes[0]) > 20:
        assert max(sizes[0]) == pytest.approx(coarsest, abs=1)
        assert max(ratios) < 1.2 * min(ratios)


def test_a_large_painting_has_the_style_of_a_small_one_when_made_small(model):
    content, style = texture(96, 144, seed=1, smooth=4.0), texture(96, 144, seed=2, smooth=1.5)
    how = {**QUICK, "model": model, "max_size": None, "steps": 40, "content_weight": 0.0}
    judge = prepare(INSIDE, STYLES[:1], StyleOptions(**QUICK), model).solver
    small = tf.constant(pixels.to_inside(pixels.resize(content, (32, 48))))
    wanted = judge.style_targets(pixels.to_inside(pixels.resize(style, (32, 48))))

    def distance(**scales):
        painted = pixels.resize(stylize_image(content, style, **how, **scales), (32, 48))
        targets = judge.targets(small, wanted)
        return float(judge._terms(tf.constant(pixels.to_inside(painted)), targets)[1])

    assert distance(scales=2, coarsest=48) < 0.5 * distance(scales=1)


def test_scales_share_the_steps_and_end_at_full_size(model):
    seen = []
    how = {**QUICK, "model": model, "steps": 10, "scales": 3}
    painted, kept = stylize_image(CONTENT, STYLES[0], on_step=seen.append, snapshots=(2, 10), **how)
    assert [iterate.step for iterate in seen] == list(range(1, 11))
    assert [iterate.image.shape[1] for iterate in seen] == [8] * 3 + [16] * 3 + [32] * 4
    assert painted.shape == kept[2].shape == kept[10].shape == CONTENT.shape
    np.testing.assert_array_equal(kept[10], painted)


def test_there_are_no_more_scales_than_steps_or_than_the_network_can_see(model):
    seen = []
    stylize_image(CONTENT, STYLES[0], on_step=seen.append, model=model, **QUICK | {"steps": 2, "scales": 8})
    assert [iterate.image.shape[1] for iterate in seen] == [16, 32]
    deep = {"content_layers": ("block4_conv1",), "style_layers": ("block1_conv1",), "steps": 9, "scales": 8}
    for padding, sizes in (("reflect", {16, 32}), ("zero", {8, 16, 32})):
        seen.clear()
        how = QUICK | deep | {"padding": padding}
        stylize_image(CONTENT, STYLES[0], on_step=seen.append, model=model, **how)
        assert {iterate.image.shape[1] for iterate in seen} == sizes


def test_regions_go_with_every_scale(model):
    how = {**QUICK, "model": model, "steps": 16, "scales": 2}
    painted = stylize_image(CONTENT, STYLES[0], regions=halves(), **how)
    changed = np.abs(painted.astype(float) - CONTENT).mean(axis=(0, 2))
    assert changed[30:].min() > 2.0 * changed[:18].max()


def test_a_clip_with_regions_is_painted_at_several_scales(model):
    frames = [np.roll(CONTENT, i, axis=1) for i in (0, 3)]
    how = {**QUICK, "model": model, "steps": 4, "scales": 2, "regions": [halves()] * 2}
    painted = list(stylize_frames(frames, STYLES[:2], **how))
    assert [frame.shape for frame in painted] == [CONTENT.shape] * 2


def test_only_the_frame_that_opens_a_scene_is_painted_coarse_to_fine(model):
    seen = []
    frames = [np.roll(CONTENT, i, axis=1) for i in range(2)]
    list(stylize_frames(frames, STYLES[0], on_step=seen.append, model=model, **QUICK | {"steps": 4, "scales": 2}))
    assert [iterate.image.shape[1] for iterate in seen] == [16, 16, 32, 32, 32, 32, 32, 32]


def test_picture_files_and_masks_are_read(model, tmp_path):
    names = [write_image(tmp_path / f"{i}.png", picture) for i, picture in enumerate(STYLES[:2])]
    mask = write_image(tmp_path / "mask.png", np.repeat(halves()[..., np.newaxis], 3, axis=-1))
    how = {**QUICK, "model": model, "steps": 3}
    by_name = stylize_image(CONTENT, [str(name) for name in names], regions=mask, **how)
    np.testing.assert_array_equal(by_name, stylize_image(CONTENT, STYLES[:2], regions=halves(), **how))
