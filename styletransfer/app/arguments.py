"""Arguments of a command: those of `StyleOptions`, read off its fields, and a parser that helps with typing errors."""

import argparse
import types
from collections.abc import Iterable, Iterator
from dataclasses import Field, fields
from functools import partial
from typing import Any, get_args, get_type_hints

from ..options import StyleOptions, unknown_name_message

TUPLES = (tuple[str, ...], tuple[int, ...], tuple[float, ...])
METAVARS = {
    int: "N",
    float: "X",
    str: "VALUE",
    tuple[str, ...]: "NAME,NAME,...",
    tuple[int, ...]: "N,N,...",
    tuple[float, ...]: "X,X,...",
}


class Parser(argparse.ArgumentParser):
    """A parser that raises ValueError for a wrong call instead of ending the program."""

    def error(self, message: str) -> Any:
        """Raise ValueError with `message`."""
        raise ValueError(f"{message} (see {self.prog} --help)")


class Command(Parser):
    """The parser of one command: names the nearest option for a wrong one, takes values that begin with a dash."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As in `argparse`."""
        return super().parse_known_args(list(self._joined(args)), namespace)

    def _joined(self, args: Iterable[str]) -> Iterator[str]:
        """`args` with every option that has a value written as one word, `--name=value`."""
        known = {name: action for action in self._actions for name in action.option_strings}
        words = iter(args)
        for word in words:
            name = word.partition("=")[0]
            if word == "--":
                yield from (word, *words)
            elif word in known and known[word].nargs is None:
                value = next(words, None)
                yield word if value is None else f"{known[word].option_strings[-1]}={value}"
            elif word.startswith("--") and name not in known:
                self.error(unknown_name_message(name, known))
            elif word.startswith("-") and word != "-" and name not in known and word[:2] not in known:
                self.error(f"unknown option {word!r}: write ./{word} if it is the name of a file")
            else:
                yield word


def add_settings(command: argparse.ArgumentParser, without: Iterable[str] = ()) -> None:
    """An option for every field of `StyleOptions`. One that is not given leaves no trace, so that presets work."""
    group = command.add_argument_group("settings")
    for setting in fields(StyleOptions):
        if setting.name in without:
            continue
        name, kinds = "--" + setting.name.replace("_", "-"), kinds_of(setting)
        text = f"{setting.metadata['help']} (default: {shown(setting.default)})".replace("%", "%%")
        if kinds == (bool,):
            action: Any = group.add_argument(name, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            choices = setting.metadata.get("choices")
            metavar = "{" + ",".join(choices) + "}" if choices else METAVARS[str if str in kinds else kinds[0]]
            action = group.add_argument(name, type=partial(value_of, kinds), metavar=metavar, help=text)
        action.default = argparse.SUPPRESS


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of `StyleOptions` that were given, and no others."""
    return {f.name: getattr(arguments, f.name) for f in fields(StyleOptions) if hasattr(arguments, f.name)}


def numbers(text: str) -> tuple[int, ...]:
    """`"10,50,100"` as whole numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}, expected whole numbers such as 10,50,100") from None


def shape(text: str) -> tuple[int, int]:
    """`"256x144"`, width x height, as `(height, width)`."""
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}, expected WIDTHxHEIGHT such as 256x144") from None
    return height, width


def kinds_of(setting: "Field[Any]") -> tuple[Any, ...]:
    """The types that a field takes and a command line can write: `int | None` -> `(int, NoneType)`."""
    hint = get_type_hints(StyleOptions)[setting.name]
    kinds = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    written = (bool, int, float, str, *TUPLES, types.NoneType)
    return tuple(kind for kind in kinds if kind in written)


def value_of(kinds: tuple[Any, ...], text: str) -> Any:
    """`text` as the first of `kinds` that it fits; what fits none is left for `StyleOptions` to refuse."""
    if types.NoneType in kinds and text.lower() == "none":
        return None
    if set(kinds) & set(TUPLES) and str not in kinds:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return tuple(_number(part, float if tuple[float, ...] in kinds else int) for part in parts)
    for kind in kinds:
        if kind in (int, float) and not isinstance(number := _number(text, kind), str):
            return number
    return text


def _number(text: str, kind: Any) -> Any:
    """`text` as an int or a float, or as it is."""
    try:
        return kind(text)
    except ValueError:
        return text


def shown(default: Any) -> str:
    """A default as a help text shows it."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    if default is None:
        return "none"
    return (", ".join(map(str, default)) or "none") if isinstance(default, tuple) else str(default)
