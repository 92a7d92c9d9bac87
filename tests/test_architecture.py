"""The house rules: imports go one way, importing is cheap, the public names are there and documented."""

import ast
import graphlib
import importlib
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

import styletransfer

PACKAGE = pathlib.Path(styletransfer.__file__).parent

# A module imports from its own row or from rows above it.
ROWS = (
    {"__init__"},
    {"times"},
    {"options"},
    {"pixels"},
    {"pictures"},
    {"tiling"},
    {"features"},
    {"losses"},
    {"optimizers"},
    {"solver"},
    {"styles"},
    {"image"},
    {"motion"},
    {"video"},
    {"metrics"},
    {"app", "__main__"},
)
ROW = {room: row for row, rooms in enumerate(ROWS) for room in rooms}


def modules() -> dict[str, pathlib.Path]:
    """Dotted name inside the package -> file; the package itself is `__init__`, a sub-package its folder's name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def room(module: str) -> str:
    return module.split(".")[0]


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node of a module, function bodies included, but not what only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from statements(node)


def imported(module: str, tree: ast.AST | None = None) -> set[str]:
    """The modules of this package that `module` imports, anywhere in its code."""
    path = MODULES[module]
    found = set()
    for node in statements(tree or ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "styletransfer":
                    found.add(resolve(alias.name.split(".")[1:]))
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                package = path.relative_to(PACKAGE).parent.parts
                base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            elif (node.module or "").split(".")[0] == "styletransfer":
                base = (node.module or "").split(".")[1:]
            else:
                continue
            found |= {resolve([*filter(None, base), alias.name]) for alias in node.names}
    return found - {module}


def resolve(parts: list[str]) -> str:
    """The module that a dotted name leads to; a public name of the package leads to the module it lives in."""
    if len(parts) == 1 and parts[0] in styletransfer._HOME:
        return styletransfer._HOME[parts[0]].removeprefix(".")
    while parts and ".".join(parts) not in MODULES:
        parts = parts[:-1]
    return ".".join(parts) or "__init__"


def test_resolving_finds_every_way_to_write_an_import():
    """The test of the test: a rule that sees nothing holds for everything."""
    code = """
import styletransfer.pixels
from . import losses
from .features import load_model
from styletransfer import solver, stylize_image
def late():
    from .options import resolve
if TYPE_CHECKING:
    from .image import stylize_image
"""
    assert imported("optimizers", ast.parse(code)) == {"pixels", "losses", "features", "solver", "image", "options"}


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    assert room(module) in ROW, f"{module} has no place in the order of the modules: add it to ROWS"
    backwards = [name for name in imported(module) if ROW[room(name)] > ROW[room(module)]]
    assert not backwards, f"{module} imports {', '.join(sorted(backwards))}, which come later in the order"


def test_no_import_cycles():
    graph = {module: imported(module) for module in MODULES}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError and names the cycle


def interpreter_seconds(code: str) -> float:
    """The shortest of three runs of a fresh interpreter."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def test_importing_the_package_is_quick():
    assert interpreter_seconds("import styletransfer") - interpreter_seconds("pass") < 0.3


@pytest.mark.parametrize("code", ["import styletransfer", "from styletransfer import StyleOptions; StyleOptions()"])
def test_importing_the_package_or_its_options_does_not_load_tensorflow(code):
    listing = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], check=True, capture_output=True, text=True
    )
    assert not {"tensorflow", "keras"} & set(listing.stdout.split())


@pytest.mark.parametrize("name", styletransfer.__all__)
def test_public_name_resolves(name):
    assert callable(getattr(styletransfer, name))
    assert name in dir(styletransfer)


def test_public_names_are_listed_once_and_each_has_a_home():
    assert sorted(styletransfer.__all__) == sorted(styletransfer._HOME)


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="stylise_video"):
        styletransfer.stylise_video  # noqa: B018


def test_package_is_marked_as_typed():
    assert (PACKAGE / "py.typed").is_file()


def public_definitions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Functions and classes, with their methods, whose names do not start with an underscore."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        if not any(ast.unparse(decorator).endswith("overload") for decorator in node.decorator_list):
            yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public_definitions(node, f"{prefix}{node.name}.")


@pytest.mark.parametrize("module", MODULES)
def test_public_functions_and_classes_have_docstrings(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    silent = [name for name, node in public_definitions(tree) if not ast.get_docstring(node)]
    assert not silent, f"no docstring: {', '.join(silent)} in {module}"


@pytest.mark.parametrize("module", [module for module in MODULES if module != "__main__"])
def test_every_module_imports_and_says_what_it_is(module):
    name = "styletransfer" if module == "__init__" else f"styletransfer.{module}"
    try:
        loaded = importlib.import_module(name)
    except ModuleNotFoundError as error:
        pytest.skip(f"needs an extra: {error.name} is not installed")
    assert loaded.__doc__ or not MODULES[module].read_text(encoding="utf-8").strip()
