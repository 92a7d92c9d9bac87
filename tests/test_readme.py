"""What the documents say is what the code does."""

import importlib
import pathlib
import re
import shlex

import pytest

from styletransfer.app.cli import build_parser
from styletransfer.options import StyleOptions

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def options_table() -> str:
    """The README's table of options, from the fields themselves."""
    rows = ["| option | default | meaning |", "|---|---|---|"]
    for name, setting in StyleOptions.__dataclass_fields__.items():
        default = setting.default
        shown = ", ".join(map(str, default)) or "none" if isinstance(default, tuple) else default
        choices = setting.metadata.get("choices")
        meaning = setting.metadata["help"] + (f" ({', '.join(choices)})" if choices else "")
        rows.append(f"| `{name}` | `{shown}` | {meaning} |")
    return "\n".join(rows)


def test_the_table_of_options_is_that_of_the_fields():
    assert options_table() in README, f"paste this into README.md:\n{options_table()}"


def test_ci_runs_the_readmes_test_command_word_for_word():
    command = 'pip install -e ".[test]" && pytest -n 2'
    assert command in README and command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


COMMANDS = re.findall(r"^!?(styletransfer .+)$", README, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_line_in_the_readme_is_understood(command):
    words = shlex.split(command)[1:]
    if "--help" in words:
        with pytest.raises(SystemExit):
            build_parser().parse_args(words)
    else:
        assert build_parser().parse_args(words).run


def test_every_file_that_the_readme_names_is_there():
    for name in re.findall(r"`(docs/[\w./]+|benchmarks/[\w./]+)`", README) + re.findall(r"\]\((docs/[^)]+)\)", README):
        assert (ROOT / name).exists(), name


THE_USERS_OWN = {"weights", "mix", "seed", "start", "end", "fps"}
"""Settings whose value no experiment can find."""


@pytest.mark.parametrize("name", sorted(set(StyleOptions.__dataclass_fields__) - THE_USERS_OWN))
def test_every_default_is_shown_among_what_else_was_tried(name, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    tables = importlib.import_module("default_sheets")
    tried = (tables.PICTURE | tables.CLIP)[name]
    assert getattr(StyleOptions(), name) in tried.values and len(tried.values) > 1
    for value in tried.values:
        StyleOptions(**{**tried.meanwhile, name: value})
    sheet = f"default_sheets/{name}.jpg"
    text = (ROOT / "docs" / "defaults.md").read_text(encoding="utf-8")
    assert f"]({sheet})" in text and (ROOT / "docs" / sheet).exists()
