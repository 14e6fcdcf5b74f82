"""The rooms of studies: who may import whom, how long files are, which tests belong to which module."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUDIES, TESTS = ROOT / "studies", ROOT / "tests" / "studies"
ROOMS = (
    "errors", "program", "tasks", "models", "baselines", "variants", "training", "planning", "convex", "execution",
    "analysis", "reports", "commands",
)  # fmt: skip
"""Each room imports itself and those before it."""
ALONE = ("errors", "program")
"""Rooms of one file."""
FILES = sorted(path for path in STUDIES.rglob("*.py") if path.parent != STUDIES or path.stem in ALONE)
LONGEST = 250
NEW_TASK, NEW_BASELINE = {"tasks/named.py"}, {"variants/baselines.py"}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


def imported(path: Path) -> Iterator[str]:
    """The modules of studies which a file imports, anywhere in it, for type checking too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("studies"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("studies"):
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            yield from inner or {str(node.module)}


def room_of(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_room_imports_only_those_before_it(path: Path) -> None:
    room = room_of(module_of(path))
    allowed = ROOMS[: ROOMS.index(room) + 1]
    assert [module for module in imported(path) if room_of(module) not in allowed] == []


def circles(imports: dict[str, set[str]]) -> list[str]:
    """What is left after taking away, again and again, the modules that import nothing of what is left."""
    left = {module: others - {module} for module, others in imports.items()}
    while free := {module for module, others in left.items() if not others & left.keys()}:
        left = {module: others for module, others in left.items() if module not in free}
    return sorted(left)


def test_no_import_goes_round_in_a_circle() -> None:
    """Imports for type checking aside, and those of a package's list of its own names."""
    imports = {module: set(at_run_time(path)) for module, path in MODULES.items()}
    assert circles(imports) == []
    assert circles(imports | {"studies.errors": {"studies.commands.ablate"}}) != []  # so one would be seen


def at_run_time(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    left_out = {id(inner) for node in typing for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) not in left_out and isinstance(node, ast.ImportFrom) and (node.module or "").startswith("studies"):
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            yield from inner or {str(node.module)}


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in ALONE])
def test_tests_are_named_after_modules(room: str) -> None:
    modules = {path.stem for path in (STUDIES / room).rglob("*.py")} | {room}
    for path in (TESTS / room).rglob("test_*.py"):
        assert any(path.stem == f"test_{module}" or path.stem.startswith(f"test_{module}_") for module in modules), path


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import resource, sys; sys.argv = ['studies', '--help']\n"
        "from studies.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(sorted({'torch', 'optuna', 'numpy', 'matplotlib'} & set(sys.modules)), used.ru_utime + used.ru_stime)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded, seconds = done.stdout.splitlines()[-1].rsplit(" ", 1)
    assert loaded == "[]"
    assert float(seconds) < 1.5
