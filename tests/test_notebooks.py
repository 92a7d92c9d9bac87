"""The notebooks run from the source tree, in a toy size, and what is kept of their outputs is small and anonymous."""

import pathlib
import re

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

ROOT = pathlib.Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PLACEHOLDER = "YOUR_COPY_OF_THIS_REPOSITORY"
LARGEST = 400_000
ABSOLUTE = re.compile(r"(?:^|[\s'\"(=:])(?:/[\w.-]+){2,}|\b[A-Z]:\\", re.MULTILINE)
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    return notebook


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell):
    """The kinds of pictures and clips below a cell, in their order; a bar and what is printed do not count."""
    return [
        kind
        for output in cell.outputs
        for kind, data in sorted(output.get("data", {}).items())
        if kind.startswith("image/") or (kind == "text/html" and "<video" in data)
    ]


def words(notebook):
    """Everything in the outputs that can be read."""
    for cell in code(notebook):
        for output in cell.outputs:
            yield output.get("text", "")
            for kind, data in output.get("data", {}).items():
                if kind.startswith("text/"):
                    yield re.sub(r"base64,[\w+/=]+", "", data)


def test_there_are_three():
    assert [path.name for path in NOTEBOOKS] == ["01_image.ipynb", "02_video.ipynb", "03_inside.ipynb"]


@each
def test_a_notebook_runs_and_shows_what_its_kept_outputs_show(path, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLETRANSFER_TOY", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / ".ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / ".runtime"))
    kept, notebook = read(path), read(path)
    for cell in code(notebook):
        cell.outputs = []
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(tmp_path))
    assert [shown(cell) for cell in code(notebook)] == [shown(cell) for cell in code(kept)]
    assert any(map(shown, code(kept)))


@each
def test_what_is_kept_is_small_whole_and_says_nothing_of_a_machine(path):
    assert path.stat().st_size < LARGEST
    notebook = read(path)
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    assert not [output for cell in code(notebook) for output in cell.outputs if output.output_type == "error"]
    assert not [found for text in words(notebook) for found in ABSOLUTE.findall(text)]
    assert "widgets" not in notebook.metadata


def test_a_path_of_a_machine_would_be_seen():
    for text in ("Path('/home/ada/clip.mp4')", "in /tmp/x: 1 s", r"C:\Users", "file=/usr/lib"):
        assert ABSOLUTE.search(text)
    for text in ("</figcaption></figure>", "24 s/frame", "frames/*", "again.mp4.job/state/*: 3", "1/D sum"):
        assert not ABSOLUTE.search(text)


@each
def test_it_opens_in_colab_installs_first_and_then_says_what_to_expect(path):
    notebook = read(path)
    badge = f"(https://colab.research.google.com/github/{PLACEHOLDER}/blob/main/notebooks/{path.name})"
    assert badge in notebook.cells[0].source
    first, second = code(notebook)[:2]
    assert f'REPOSITORY = "{PLACEHOLDER}"' in first.source
    assert re.search(
        r'if "google\.colab" in sys\.modules:\n    %pip install .*github\.com/{REPOSITORY}"$', first.source
    )
    assert not first.outputs
    assert re.search(r"^Found .*\n.* takes [\d.e-]+ s", second.outputs[0].text)


def test_the_readme_has_a_badge_for_each():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in NOTEBOOKS:
        assert f"https://colab.research.google.com/github/{PLACEHOLDER}/blob/main/notebooks/{path.name}" in readme
