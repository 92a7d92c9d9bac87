"""Real clips and paintings, end to end at toy size; slow, and only where `STYLETRANSFER_DATA` names them."""

import itertools

import pytest

from styletransfer.video.job import stylize_video
from styletransfer.video.media import read_video

CLIPS = ("big_buck_bunny_0_30.webm", "carphone.mp4", "chaplin.mp4", "nasa_13013.mp4", "seed_1.avi", "squirrel.mp4")
STYLES = (
    "great_wave.jpg",
    "seed_star.jpg",
    "shipwreck_of_the_minotaur.jpg",
    "starry_night.jpg",
    "woman_with_a_hat.jpg",
)
TOY = {"max_size": 64, "steps": 1, "flow_quality": "fast", "progress": False}


def check(source, target, **settings):
    before, after = read_video(source, max_size=64, **settings), read_video(target)
    assert after.length == before.length and after.shape == before.shape
    assert after.fps == pytest.approx(before.fps, rel=1e-3) and after.sound == before.sound


@pytest.mark.slow
@pytest.mark.parametrize("clip, style", list(itertools.product(CLIPS, STYLES)))
def test_every_clip_is_painted_in_every_style(model, data, tmp_path, clip, style):
    source = data / "clips" / clip
    target = stylize_video(
        source, data / "styles" / style, tmp_path / "out.mp4", model=model, start=100, end=103, **TOY
    )
    check(source, target, start=100, end=103)


@pytest.mark.slow
@pytest.mark.parametrize("clip", CLIPS)
def test_a_whole_clip_keeps_length_rate_and_sound(model, data, tmp_path, clip):
    source = data / "clips" / clip
    target = stylize_video(source, data / "styles" / "seed_star.jpg", tmp_path / "out.mp4", model=model, **TOY)
    check(source, target)
