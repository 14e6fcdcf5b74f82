"""The library's layers: what imports what, what is documented, how long files are."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import adaqn_lab

ROOT = Path(__file__).parents[2]
LIBRARY = sorted((ROOT / "adaqn_lab").rglob("*.py"))
SOURCES = [
    path
    for folder in ("adaqn_lab", "verification", "studies", "tests", "docs")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".md", ".html", ".toml", ".json") and path.is_file()
]
MODULES = ["adaqn_lab", *(m.name for m in pkgutil.walk_packages(adaqn_lab.__path__, "adaqn_lab."))]
STDLIB = sys.stdlib_module_names
FORBIDDEN = ("verification", "studies", "numpy", "scipy", "hypothesis", "optuna", "matplotlib", "triton")


def imported(path):
    """The top-level packages which a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0] if node.module and not node.level else "adaqn_lab"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_library_imports_torch_and_itself_only(path):
    optional = {"triton"} if path.match("kernels/tiled.py") else set()  # loaded on demand: docs/decisions.md, 25
    optional |= {"filelock"} if path.match("kernels/compiled.py") else set()  # loaded on demand, and torch requires it
    assert set(imported(path)) <= {"torch", "adaqn_lab"} | STDLIB | optional


def test_importing_the_library_loads_nothing_that_torch_does_not():
    code = (
        "import sys, torch; before = set(sys.modules); import adaqn_lab; "
        "print('\\n'.join({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert "adaqn_lab" in loaded
    assert not loaded & set(FORBIDDEN)


def modules_imported(path):
    """The library's modules which a file imports, anywhere in it, for type checking too."""
    names = dict.fromkeys(MODULES)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module in names:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from inner & names.keys()
            if inner - names.keys():
                yield node.module


def circles(imports):
    """What is left after taking away, again and again, the modules that import nothing of what is left."""
    left = {module: set(others) - {module} for module, others in imports.items()}
    while free := {module for module, others in left.items() if not others & left.keys()}:
        left = {module: others for module, others in left.items() if module not in free}
    return sorted(left)


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_no_import_goes_round_in_a_circle():
    imports = {module_of(path): set(modules_imported(path)) for path in LIBRARY}
    assert len(imports) == len(LIBRARY) == len(MODULES)
    assert sum(map(len, imports.values())) > 200
    assert circles(imports) == []
    assert circles(imports | {"adaqn_lab.sizes": {"adaqn_lab.history"}}) != []  # so one would be seen


def test_verification_does_not_import_studies():
    for path in (ROOT / "verification").rglob("*.py"):
        assert "studies" not in set(imported(path)), path


def public(module):
    return [(name, getattr(module, name)) for name in getattr(module, "__all__", ())]


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_documented(name):
    """Modules, and the functions, classes and public methods which they define."""
    module = importlib.import_module(name)
    assert inspect.getdoc(module)
    own = [
        (n, o)
        for n, o in vars(module).items()
        if not n.startswith("_")
        and getattr(o, "__module__", None) == name
        and (inspect.isclass(o) or inspect.isroutine(o))
    ]
    for n, thing in own:
        assert "__doc__" in vars(thing) or inspect.isroutine(thing), f"{name}.{n}"
        assert thing.__doc__, f"{name}.{n}"
        assert not re.match(rf"^{n}\(.*\)(?: ->.*)?$", thing.__doc__), f"{name}.{n} has only dataclass's signature"
        if inspect.isclass(thing):
            for method, value in vars(thing).items():
                if not method.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                    assert inspect.getdoc(value), f"{name}.{n}.{method}"


@pytest.mark.parametrize("name", MODULES)
def test_public_lists_are_sorted_and_exist(name):
    module = importlib.import_module(name)
    names = [n for n, _ in public(module)]
    assert len(set(names)) == len(names)
    assigned = (node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.Assign))
    listed = next((ast.literal_eval(node.value) for node in assigned if ast.unparse(node.targets[0]) == "__all__"), [])
    assert listed == sorted(listed, key=lambda n: (not n.isupper(), n))


def test_only_init_files_have_public_lists():
    for path in LIBRARY:
        has = any(
            isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "__all__" for t in node.targets)
            for node in ast.parse(path.read_text()).body
        )
        assert has == (path.name == "__init__.py"), path


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_there_are_docstring_examples():
    finder = doctest.DocTestFinder()
    assert sum(len(t.examples) for name in MODULES for t in finder.find(importlib.import_module(name))) >= 4


def test_no_file_is_longer_than_400_lines():
    """But for what strangers handed in."""
    ours = [path for path in SOURCES if path.suffix == ".py" and "held_out" not in path.parts]
    assert [str(path.relative_to(ROOT)) for path in ours if len(path.read_text().splitlines()) > 400] == []


def test_no_machine_paths():
    """A path of the machine on which something was written is of no use to a reader."""
    machine = re.compile(r"(?<![\w.])/(?:" + "|".join(["home", "work", "root", "Users"]) + r")/[\w.]")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in SOURCES
        for line in path.read_text(errors="replace").splitlines()
        if machine.search(line)
    ]
    assert found == []
