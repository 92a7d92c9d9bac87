"""StyleOptions: every value is checked at the door, and the message says what to do."""

import copy
import dataclasses
import fractions
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from styletransfer.options import PRESETS, VIDEO_ONLY, StyleOptions, resolve

FIELDS = {field.name: field for field in dataclasses.fields(StyleOptions)}

WHOLE = ("max_size", "steps", "lbfgs_memory", "seed")
REAL = (
    "tolerance", "content_weight", "style_weight", "temporal_weight", "tv_weight",
    "still_threshold", "learning_rate", "fps",
)  # fmt: skip
CHOICE = tuple(name for name, field in FIELDS.items() if "choices" in field.metadata)
SWITCH = ("warm_start", "normalize")
LISTED = ("content_layers", "style_layers")
NULLABLE = ("max_size", "start", "end", "fps")


def low(name: str) -> float:
    return FIELDS[name].metadata["low"]


def expect_rejected(name: str, value: object) -> None:
    """The value is refused by a sentence that names the option and the value."""
    with pytest.raises(ValueError, match="expected") as caught:
        StyleOptions(**{name: value})
    assert str(caught.value).startswith(f"{name}={value!r}: expected ")
    assert "\n" not in str(caught.value).replace(repr(value), "")


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("style_wieght", "style_weight"),
        ("contentweight", "content_weight"),
        ("optimiser", "optimizer"),
        ("normalise", "normalize"),
        ("preprocessing_layers_style_layers", "style_layers"),
        ("stpes", "steps"),
        ("memory", "lbfgs_memory"),
        ("Pooling", "pooling"),
    ],
)
def test_unknown_name_names_the_nearest(wrong, right):
    with pytest.raises(TypeError, match=f"unknown option '{wrong}': did you mean '{right}'"):
        StyleOptions(**{wrong: 1})


@given(st.sampled_from([name for name in FIELDS if len(name) >= 8]), st.data())
def test_one_missing_letter_still_finds_the_name(name, data):
    place = data.draw(st.integers(0, len(name) - 1))
    with pytest.raises(TypeError, match=f"did you mean '{name}'"):
        StyleOptions(**{name[:place] + name[place + 1 :]: 1})


def test_unknown_name_unlike_any_other_lists_them_all():
    with pytest.raises(TypeError) as caught:
        StyleOptions(zzz=1)
    assert all(name in str(caught.value) for name in FIELDS)


def test_unknown_name_is_found_before_a_bad_value():
    with pytest.raises(TypeError, match="pollling"):
        StyleOptions(pollling="avg", steps=-1)


def test_options_are_given_by_keyword_only():
    with pytest.raises(TypeError):
        StyleOptions("report")


# ---------------------------------------------------------------- values

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.complex_numbers(),
    st.lists(st.integers()), st.dictionaries(st.text(), st.integers(), max_size=1), st.just(object()),
)  # fmt: skip


def is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_real(value: object) -> bool:
    return (is_whole(value) or isinstance(value, float)) and abs(value) < float("inf")


@given(st.sampled_from(WHOLE), SCALARS)
def test_whole_numbers_reject_everything_else(name, value):
    if value is None and name in NULLABLE:
        assert getattr(StyleOptions(**{name: value}), name) is None
    elif is_whole(value) and value >= low(name):
        assert getattr(StyleOptions(**{name: value}), name) == value
    else:
        expect_rejected(name, value)


@given(st.sampled_from(REAL), SCALARS)
def test_numbers_reject_everything_else(name, value):
    if value is None and name in NULLABLE:
        assert getattr(StyleOptions(**{name: value}), name) is None
    elif is_real(value) and value >= low(name):
        kept = getattr(StyleOptions(**{name: value}), name)
        assert kept == value and isinstance(kept, float)
    else:
        expect_rejected(name, value)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), np.float32("nan"), -1.0])
def test_numbers_reject_what_is_not_finite_or_is_negative(name, value):
    expect_rejected(name, value)


@pytest.mark.parametrize("name", REAL)
def test_numbers_reject_whole_numbers_beyond_the_largest_float(name):
    expect_rejected(name, 10**400)


@pytest.mark.parametrize("name", [*WHOLE, *(name for name in REAL if low(name) > 0)])
def test_limits_are_inclusive(name):
    kind = int if name in WHOLE else float
    assert getattr(StyleOptions(**{name: kind(low(name))}), name) == low(name)
    expect_rejected(name, kind(low(name) - 1))


@given(st.sampled_from(CHOICE), SCALARS)
def test_choices_reject_everything_else_and_are_listed(name, value):
    choices = FIELDS[name].metadata["choices"]
    if value in choices:
        return
    expect_rejected(name, value)
    with pytest.raises(ValueError) as caught:
        StyleOptions(**{name: value})
    assert all(repr(choice) in str(caught.value) for choice in choices)


@pytest.mark.parametrize(
    ("name", "choice"), [(name, choice) for name in CHOICE for choice in FIELDS[name].metadata["choices"]]
)
def test_every_choice_is_accepted(name, choice):
    assert getattr(StyleOptions(**{name: choice}), name) == choice


@given(st.sampled_from(SWITCH), SCALARS)
def test_switches_take_only_true_and_false(name, value):
    if isinstance(value, bool):
        assert getattr(StyleOptions(**{name: value}), name) is value
    else:
        expect_rejected(name, value)


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize("value", ["block1_conv1", None, 1, ("block1_conv1", 2), {"block1_conv1": 1.0}])
def test_layers_are_a_tuple_of_names_and_never_one_bare_name(name, value):
    expect_rejected(name, value)


@pytest.mark.parametrize("name", LISTED)
def test_layers_may_be_a_list(name):
    assert getattr(StyleOptions(**{name: ["block1_conv1", "block2_conv1"]}), name) == ("block1_conv1", "block2_conv1")


def test_one_kind_of_layer_may_be_missing_but_not_both():
    assert StyleOptions(content_layers=()).content_layers == ()
    assert StyleOptions(style_layers=()).style_layers == ()
    with pytest.raises(ValueError, match="both empty"):
        StyleOptions(content_layers=(), style_layers=())


def test_raw_features_in_float16_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match="use normalize=True"):
        StyleOptions(precision="float16", normalize=False)
    with pytest.raises(ValueError, match="use normalize=True"):
        StyleOptions(preset="report", precision="float16")
    assert StyleOptions(precision="float16").precision == "float16"


@pytest.mark.parametrize("value", [None, 1, 2.5, True, ["noise"], b"noise"])
def test_start_picture_and_weights_are_text_or_a_path(value):
    expect_rejected("weights", value)
    expect_rejected("init", value)


def test_paths_become_text(tmp_path):
    options = StyleOptions(weights=tmp_path / "w.h5", init=tmp_path / "start.png")
    assert options.weights == str(tmp_path / "w.h5")
    assert options.init == str(tmp_path / "start.png")


def test_start_picture_may_be_an_array():
    picture = np.zeros((4, 6, 3), np.uint8)
    assert StyleOptions(init=picture).init is picture
    with pytest.raises(ValueError, match="weights"):
        StyleOptions(weights=picture)


@pytest.mark.parametrize("name", ["start", "end"])
def test_places_in_a_clip_keep_their_type_because_frames_and_seconds_differ(name):
    for value in (12, 2.5, "0:01:30", None):
        kept = getattr(StyleOptions(**{name: value}), name)
        assert kept == value and type(kept) is type(value)
    for value in (float("nan"), True, [1], 1j):
        expect_rejected(name, value)


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("steps", np.int64(7), 7),
        ("content_weight", np.float32(0.5), 0.5),
        ("content_weight", np.int32(2), 2.0),
        ("content_weight", fractions.Fraction(1, 4), 0.25),
        ("warm_start", np.bool_(False), False),
        ("start", np.int64(3), 3),
    ],
)
def test_numbers_of_other_libraries_become_python_numbers(name, value, kept):
    option = getattr(StyleOptions(**{name: value}), name)
    assert option == kept and type(option) is type(kept)


# ---------------------------------------------------------------- presets, copies, help


def test_preset_overrides_the_defaults_and_settings_override_the_preset():
    report = StyleOptions(preset="report")
    assert {name: getattr(report, name) for name in PRESETS["report"]} == PRESETS["report"]
    changed = StyleOptions(preset="report", steps=3, pooling="avg")
    assert (changed.steps, changed.pooling) == (3, "avg")
    assert changed.replace(steps=report.steps, pooling=report.pooling) == report


def test_report_preset_is_the_method_of_the_report():
    report = StyleOptions(preset="report")
    assert report.content_layers == ("block5_conv2",)
    assert report.style_layers == tuple(f"block{i}_conv1" for i in range(1, 6))
    assert report.content_weight / report.style_weight == 1e-4
    assert (report.temporal_weight, report.tv_weight, report.warm_start) == (0.0, 0.0, False)
    assert (report.pooling, report.normalize, report.init, report.tolerance) == ("max", False, "content", 0.0)
    assert not report.bounded  # it clips the finished picture only


def test_presets_hold_fields_with_valid_values():
    for name, preset in PRESETS.items():
        assert StyleOptions(**preset, preset=name) == StyleOptions(preset=name)


@pytest.mark.parametrize("value", ["raport", None, 3, ["report"], {}])
def test_unknown_preset_is_refused_however_it_is_given(value):
    expect_rejected("preset", value)
    with pytest.raises(ValueError, match=r"preset=.*expected one of 'default', 'fast', 'fine', 'offline', 'report'"):
        StyleOptions().replace(preset=value)


def test_replace_changes_what_is_named_and_nothing_else():
    before = StyleOptions(steps=7, pooling="max")
    after = before.replace(seed=3)
    assert after.seed == 3
    assert after.asdict() | {"seed": 0} == before.asdict()
    assert before == StyleOptions(steps=7, pooling="max")


def test_replace_applies_a_preset_before_the_other_settings():
    assert StyleOptions(steps=7).replace(preset="report", seed=3) == StyleOptions(preset="report", seed=3)
    assert StyleOptions().replace(preset="report", steps=3) == StyleOptions(preset="report", steps=3)


@pytest.mark.parametrize("before", PRESETS)
@pytest.mark.parametrize("after", PRESETS)
def test_a_preset_leaves_nothing_of_the_one_before_it(before, after):
    assert StyleOptions(preset=before).replace(preset=after) == StyleOptions(preset=after)


def test_what_was_set_by_hand_outlives_a_change_of_preset():
    own = StyleOptions(preset="fast", max_size=300, content_weight=0.3)
    assert own.replace(preset="default") == StyleOptions(max_size=300, content_weight=0.3)


def test_replace_checks_like_the_constructor():
    with pytest.raises(TypeError, match="did you mean 'steps'"):
        StyleOptions().replace(step=1)
    with pytest.raises(ValueError, match="steps=0"):
        StyleOptions().replace(steps=0)


VALID = st.fixed_dictionaries(
    {},
    optional={
        "preset": st.sampled_from(sorted(PRESETS)),
        "max_size": st.none() | st.integers(16, 4096),
        "steps": st.integers(1, 1000),
        "tolerance": st.floats(0.0, 1.0),
        "content_weight": st.floats(0.0, 1e9),
        "tv_weight": st.floats(0.0, 1e9),
        "style_layers": st.lists(st.sampled_from(["block1_conv1", "block4_conv2"]), min_size=1).map(tuple),
        "init": st.sampled_from(["content", "noise", "start.png"]),
        "warm_start": st.booleans(),
        "start": st.none() | st.integers(0, 99) | st.floats(0.0, 99.0) | st.just("0:10"),
        "fps": st.none() | st.floats(0.01, 240.0),
    },
)


@given(VALID)
def test_values_round_trip(settings):
    options = StyleOptions(**settings)
    assert StyleOptions(**options.asdict()) == options
    assert StyleOptions().replace(**options.asdict()) == options
    assert pickle.loads(pickle.dumps(options)) == options
    assert copy.deepcopy(options) == options
    assert hash(copy.deepcopy(options)) == hash(options)
    assert list(options.asdict()) == list(FIELDS)


def test_options_are_frozen():
    options = StyleOptions()
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.steps = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        del options.steps


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_has_help_and_a_valid_default(name):
    text = FIELDS[name].metadata["help"]
    assert len(text) >= 10 and not text.endswith(".")
    assert StyleOptions(**{name: FIELDS[name].default}) == StyleOptions()


def test_video_only_names_are_fields():
    assert set(VIDEO_ONLY) <= set(FIELDS)


def test_resolve_lays_settings_over_options():
    assert resolve(None, {}) == StyleOptions()
    assert resolve(None, {"steps": 3}) == StyleOptions(steps=3)
    assert resolve(StyleOptions(seed=5), {"steps": 3}) == StyleOptions(seed=5, steps=3)
    with pytest.raises(TypeError, match="options is a dict, expected StyleOptions"):
        resolve({"steps": 3}, {})
