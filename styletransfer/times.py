"""Places in a clip, and weights of several styles that change over it, as people write them."""

import math
import numbers
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

Time = int | float | str
"""A place in a clip, see `parse_time`."""


def parse_time(value: Time) -> int | float:
    """A place in a clip: an int is a frame number, a float is seconds.

    Strings: `"120"` is frame 120; `"1.5"`, `"1.5s"`, `"1:30"` and `"0:01:30"` are seconds.

    Raises
    ------
    ValueError
        If it is neither, or negative.
    """
    if isinstance(value, numbers.Integral) and not isinstance(value, bool) and value >= 0:
        return int(value)
    if isinstance(value, numbers.Real) and not isinstance(value, (bool, numbers.Integral)) and 0 <= value < math.inf:
        return float(value)
    if isinstance(value, str):
        if re.fullmatch(r"[0-9]+", value.strip()):
            return int(value)
        if clock := re.fullmatch(r"(?:([0-9]+):)?(?:([0-9]+):)?([0-9]+\.?[0-9]*|\.[0-9]+)s?", value.strip()):
            hours, minutes = clock[1] if clock[2] else None, clock[2] or clock[1]
            return int(hours or 0) * 3600.0 + int(minutes or 0) * 60.0 + float(clock[3])
    raise ValueError(
        f"{value!r} is not a place in a clip: expected a frame number such as 120, or seconds such as 1.5 or '0:01:30'"
    )


def parse_mix(mix: Any) -> dict[int | float, tuple[float, ...]]:
    """`StyleOptions.mix` as weights by time: ints are frames, floats seconds; empty for none.

    Raises
    ------
    ValueError
        If it is nothing of the kind, weights are negative or all 0, or their number varies.
    """
    try:
        times = _mix_by_time(mix)
        for weights in times.values():
            if (
                len(weights) != len(next(iter(times.values())))
                or min(weights) < 0.0
                or not 0.0 < sum(weights) < math.inf
            ):
                raise ValueError("the numbers")
    except (TypeError, ValueError) as error:
        reason = f": {error}" if "place in a clip" in str(error) else ""
        raise ValueError(
            f"mix={mix!r}: expected as many weights as style pictures, not negative and not all 0, such as '0.7,0.3', "
            f"or such weights at some times, '1,0@0; 0,1@2.5s'{reason}"
        ) from error
    return times


def check_mix(mix: Any, styles: int) -> None:
    """Raise ValueError unless `StyleOptions.mix` has a weight for each of so many style pictures."""
    for weights in parse_mix(mix).values():
        if len(weights) != styles:
            raise ValueError(
                f"mix={mix!r} has {len(weights)} weights, expected one for each of the {styles} style pictures"
            )


def check_regions(mix: Any) -> None:
    """Raise ValueError if there is a mix that cannot go with regions: in each of them one style rules."""
    if parse_mix(mix):
        raise ValueError(
            f"mix={mix!r} says how much of each style is everywhere, and regions where each goes: give one of the two"
        )


def _mix_by_time(mix: Any) -> dict[int | float, tuple[float, ...]]:
    if isinstance(mix, str):
        if "@" not in mix:
            return _mix_by_time(tuple(float(part) for part in mix.split(",")) if mix.strip() else ())
        pairs = [part.split("@") for part in mix.split(";")]
        return {parse_time(time): tuple(float(part) for part in weights.split(",")) for weights, time in pairs}
    if isinstance(mix, Mapping):
        return {parse_time(time): tuple(float(weight) for weight in weights) for time, weights in mix.items()}
    weights = tuple(float(weight) for weight in mix)
    return {0: weights} if weights else {}


def checked_mix(mix: Any) -> str | tuple[float, ...]:
    """`mix` as text where it changes over time, else as a tuple: what can be compared and written in a file."""
    times = parse_mix(mix)
    if not isinstance(mix, Mapping) and not (isinstance(mix, str) and "@" in mix):
        return times.get(0, ())
    return "; ".join(f"{','.join(map(repr, weights))}@{_written(time)}" for time, weights in times.items())


def _written(time: int | float) -> str:
    """What `parse_time` reads as this time."""
    return f"{np.format_float_positional(time)}s" if isinstance(time, float) else str(time)
