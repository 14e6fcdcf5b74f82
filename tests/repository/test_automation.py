"""The hosted workflow and the hooks before a commit call tox's environments, which exist."""

import configparser
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKFLOW = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
TOX = configparser.ConfigParser(interpolation=None)
TOX.read(ROOT / "tox.ini", encoding="utf-8")
ENVIRONMENTS = {name.removeprefix("testenv:") for name in TOX.sections()} | {"py"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_workflow_runs_all_that_a_change_must_pass() -> None:
    named = re.findall(r"environment: \[?([\w-]+)", WORKFLOW)
    assert {"py", "oldest", "lint", "types", "docs", "bench-check", "build"} == set(named)


@pytest.mark.parametrize("text", [WORKFLOW, HOOKS], ids=["workflow", "hooks"])
def test_every_environment_exists(text: str) -> None:
    named = re.findall(r"(?:environment: \[?|tox (?:-q )?-e )([\w-]+)", text)
    assert named
    assert set(named) <= ENVIRONMENTS | {"docs"}


def test_the_workflow_tests_every_python_that_is_promised() -> None:
    (tested,) = re.findall(r"python: \[(.*)\]", WORKFLOW)
    promised = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert re.findall(r"\d\.\d+", tested) == promised


def test_pip_compiles_nothing() -> None:
    """Its variable for --no-compile is the value of "compile": 1 compiles."""
    values = re.findall(r"PIP_NO_COMPILE = (\w+)", (ROOT / "tox.ini").read_text(encoding="utf-8"))
    assert set(values) == {"0"}


def test_a_missing_python_is_skipped() -> None:
    assert TOX["tox"]["skip_missing_interpreters"] == "true"
    assert "3.13" in TOX["testenv:py313"]["description"]


def test_scripts_are_what_the_commands_say_they_are() -> None:
    from studies.program import SCRIPT as STUDIES
    from verification.program import SCRIPT as VERIFY

    assert PROJECT["scripts"] == {VERIFY: "verification.__main__:main", STUDIES: "studies.__main__:run"}
