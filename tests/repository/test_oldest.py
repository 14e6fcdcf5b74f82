"""constraints-oldest.txt, which `tox -e oldest` tests, is what pyproject.toml admits at least."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TESTED = ("kernels", "verification", "studies", "postgresql", "grpc", "parquet")
REQUIRED = [*PROJECT["dependencies"], *(line for extra in TESTED for line in PROJECT["optional-dependencies"][extra])]
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints-oldest.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)
BOUNDS = [re.fullmatch(r"([\w-]+)(?:\[\w+\])?(>=|==)([\d.]+)", line) for line in REQUIRED]


def test_every_requirement_has_a_lower_bound() -> None:
    assert all(BOUNDS), REQUIRED


@pytest.mark.parametrize(("name", "kind", "bound"), sorted({found.groups() for found in BOUNDS if found}))
def test_the_lower_bound_is_what_is_tested(name: str, kind: str, bound: str) -> None:
    if kind == ">=":
        version, least = PINS[name].split("."), bound.split(".")
        assert version[: len(least)] == least
        assert name == "ninja" or set(version[len(least) :]) <= {"0"}  # there is no ninja 1.11.0
