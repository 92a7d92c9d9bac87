"""The settings on the page: a few in front in plain words, the rest under "more", all read off `StyleOptions`.

What is left empty, or "as the quality says", is not given, so that the quality (the preset) decides it.
"""

from dataclasses import Field, fields
from typing import Any

import gradio as gr

from ...options import PRESETS, StyleOptions
from ..arguments import kinds_of, shown, value_of
from .shelf import Thing
from .studio import INIT, LARGEST, WEIGHTS

FRONT = ("preset", "max_size", "preserve_color", "temporal_weight", "start", "end")
SMALLEST = 96
LONG = 10.0
"""Seconds of a clip that are painted unless more are asked for."""
COLOURS = [
    ("the style picture's", "none"),
    ("the clip's: paint in light and dark only", "luminance"),
    ("the style picture's, moved to the clip's", "match"),
]


class Settings:
    """The widgets, made where this is called, and what they say.

    Parameters
    ----------
    given
        Fields of `StyleOptions` that all jobs start from.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given
        options = StyleOptions(**given)
        self.preset = gr.Radio([*PRESETS], value=options.preset, label="Quality", info=_help("preset"))
        seconds: dict[str, Any] = {"minimum": 0, "min_width": 90}
        with gr.Row():
            self.start = gr.Number(0, label="Start", info="Seconds.", elem_id="start", **seconds)
            self.length = gr.Number(label="Length", info="Seconds; empty: to the end.", elem_id="length", **seconds)
        size = min(options.max_size or LARGEST, LARGEST)
        words = "Longer side of the result, in pixels."
        self.size = gr.Slider(SMALLEST, LARGEST, size, step=16, label="Size", info=words, elem_id="size")
        steady = "How firmly each frame is held to the one before: 1 is usual, 0 not at all."
        self.steadiness = gr.Slider(0, 10, 1, step=0.5, label="Steadiness", info=steady)
        self.colours = gr.Radio(COLOURS, value=options.preserve_color, label="Colours")
        self.rest = [field for field in fields(StyleOptions) if field.name not in FRONT]
        self.names = [field.name for field in self.rest]
        with gr.Accordion("More", open=False), gr.Row():
            self.more = [self._widget(field, options) for field in self.rest]
        self.preset.change(self.hints, self.preset, self.more, show_progress="hidden", api_visibility="private")

    @property
    def widgets(self) -> list[Any]:
        """All of them, in the order of `read` and `write`."""
        return [self.preset, self.start, self.length, self.size, self.steadiness, self.colours, *self.more]

    def read(self, values: tuple[Any, ...], clip: Thing | None) -> dict[str, Any]:
        """What the widgets say, as fields of `StyleOptions`.

        Raises
        ------
        ValueError
            If something is no number where one is needed.
        """
        preset, start, length, size, steadiness, colours, *more = values
        settings: dict[str, Any] = {"preset": preset, "max_size": int(size), "preserve_color": colours}
        begin = float(start or 0)
        if begin:
            settings["start"] = begin
        if length and not (clip and begin + length > clip.seconds - 0.01):
            settings["end"] = round(begin + float(length), 3)
        if steadiness != 1:
            settings["temporal_weight"] = steadiness * self._options(preset).temporal_weight
        for field, text in zip(self.rest, more, strict=True):
            if text and text.strip():
                settings[field.name] = _parsed(field, text.strip())
        return settings

    def write(self, settings: dict[str, Any], clip: Thing | None) -> list[Any]:
        """The values of the widgets that say these settings."""
        preset = settings.get("preset", "default")
        begin, end = settings.get("start") or 0, settings.get("end")
        length = end - begin if end else clip.seconds - begin if clip else None
        usual, weight = self._options(preset).temporal_weight, settings.get("temporal_weight")
        steadiness = weight / usual if weight is not None and usual else 1
        colours = settings.get("preserve_color", "none")
        length = length and round(length, 3)
        front = [preset, begin, length, settings.get("max_size", LARGEST), round(steadiness, 3), colours]
        given, said = ({name: _written(value) for name, value in both.items()} for both in (self.given, settings))
        return front + [said[name] if said.get(name) != given.get(name) else "" for name in self.names]

    def hints(self, preset: str) -> list[Any]:
        """What the fields under "more" are when they are left as they are."""
        options = self._options(preset)
        return [
            gr.update(choices=_choices(field, options))
            if _offers(field, options)
            else gr.update(placeholder=shown(getattr(options, field.name)))
            for field in self.rest
        ]

    def _options(self, preset: str) -> StyleOptions:
        return StyleOptions(**(self.given | {"preset": preset}))

    def _widget(self, field: "Field[Any]", options: StyleOptions) -> Any:
        words = {
            "label": field.name.replace("_", " ").capitalize(),
            "info": _sentence(field.metadata["help"]),
            "min_width": 165,
            "elem_id": f"option-{field.name}",
        }
        if _offers(field, options):
            return gr.Dropdown(_choices(field, options), value="", **words)
        return gr.Textbox("", placeholder=shown(getattr(options, field.name)), max_lines=1, **words)


def shortened(clip: Thing) -> float:
    """The length that is suggested for a clip, in seconds."""
    return round(min(clip.seconds, LONG), 2)


def _offers(field: "Field[Any]", options: StyleOptions) -> tuple[str, ...]:
    """The values of a field that can be told one by one; none if they cannot."""
    if kinds_of(field) == (bool,):
        return "yes", "no"
    if field.name == "init":
        return INIT
    if field.name == "weights":
        return tuple(dict.fromkeys((*WEIGHTS, options.weights)))
    return tuple(field.metadata.get("choices", ()))


def _choices(field: "Field[Any]", options: StyleOptions) -> list[tuple[str, str]]:
    usual = shown(getattr(options, field.name))
    return [(f"as the quality says ({usual})", ""), *((value, value) for value in _offers(field, options))]


def _parsed(field: "Field[Any]", text: str) -> Any:
    kinds = kinds_of(field)
    return text == "yes" if kinds == (bool,) else value_of(kinds, text)


def _written(value: Any) -> str:
    return shown(tuple(value) if isinstance(value, list) else value)


def _help(name: str) -> str:
    return _sentence(StyleOptions.__dataclass_fields__[name].metadata["help"])


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."
