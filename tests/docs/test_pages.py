"""The Python of README and docs runs and prints what the page says; links and commands lead somewhere."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from studies.models import architecture
from studies.planning.budget import BUDGETS
from studies.variants.names import choose_variants
from tests.docs.blocks import ROOT, agree, blocks, execute

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = {
    "libraries.md": "tests/verification/test_libraries.py",
    "studies.md": "tests/repository/test_studies_docs.py",
    "writing-parts.md": "tests/verification/test_writing_parts.py",
}
"""Whose blocks other tests run, which look at what they make."""
RUN = [page for page in PAGES if blocks(page) and page.name not in ELSEWHERE]
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = METADATA["urls"]["Repository"]


def test_there_is_something_to_run() -> None:
    assert {"README.md", "train-an-lstm.md", "parts.md", "verify-your-own.md", "first-ablation.md"} < {
        p.name for p in RUN
    }
    assert all((ROOT / path).exists() for path in ELSEWHERE.values())


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_python_runs_and_prints_what_the_page_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        _, compared = execute(page)
    finally:
        torch.set_num_threads(threads)
    assert compared
    for printed, expected in compared:
        agree(printed, expected)


def test_the_comparison_would_notice() -> None:
    agree("loss 0.26; Window(capacity=10)", "loss 0.29; Window(capacity=10)")
    for other in ("loss 0.50; Window(capacity=10)", "loss 0.26; Dense(capacity=10)", "loss 0.26"):
        with pytest.raises(AssertionError):
            agree("loss 0.26; Window(capacity=10)", other)


def test_readme_is_short_and_its_first_example_trains() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 130
    code = blocks(README)[0][0]
    assert len([line for line in code.splitlines() if line]) <= 14
    for seed in range(2):
        torch.manual_seed(seed)
        scope: dict[str, object] = {}
        exec(compile(code, "README.md", "exec"), scope)
        assert scope["loss"](slice(500)).item() < 0.25 * 1.609  # type: ignore[operator]
        kinds = [event.kind.name for event in scope["optimizer"].events]  # type: ignore[attr-defined]
        assert kinds.count("ROLLED_BACK") < len(kinds) / 4


def test_readme_tells_every_kind_of_event() -> None:
    from adaqn_lab import EventKind

    for page in (README, ROOT / "docs/train-an-lstm.md"):
        told = re.findall(r"^\| `([A-Z_]+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(told) == {kind.name for kind in EventKind}


def test_readme_links_work_on_a_package_index() -> None:
    """All are absolute, within the repository, and there."""
    links = re.findall(r"\]\((.*?)\)", README.read_text(encoding="utf-8"))
    assert len(links) > 10
    for link in links:
        place = link.removeprefix(REPOSITORY)
        kind, _, path = place.removeprefix("/").partition("/main/")
        assert place != link, link
        assert kind in ("blob", "tree"), link
        assert (ROOT / path).exists(), link
        assert (ROOT / path).is_dir() == (kind == "tree"), link


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    """On the code host, where the pages are read as they are; the site's are checked when it is built."""
    for link in re.findall(r"\]\((?!https?://|#)([^)\s#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_commands_name_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every ``python -m studies ...`` of the pages is parsed by the command line itself; nothing is carried out."""
    import studies.__main__ as command_line

    parsed: list[SimpleNamespace] = []
    monkeypatch.setattr(command_line, "_carry_out", lambda options, _: parsed.append(options) or 0)
    commands = [c for page in PAGES for c in re.findall(r"python -m studies ([^`'\n]*)", page.read_text("utf-8"))]
    for command in commands:
        words = shlex.split(command.partition(" &&")[0], comments=True)
        if "--help" in words or "COMMAND" in words:
            continue
        assert command_line.main([word.replace("$SLURM_CPUS_PER_TASK", "8") for word in words]) == 0, command
    assert len(parsed) > 30
    for options in parsed:
        names = getattr(options, "variants", ())
        if isinstance(names, tuple) and names:
            choose_variants(tuple(name for name in names if name != "mine:MINE"), batch_size=50)
        architecture(getattr(options, "model", None) or "lstm")
        assert getattr(options, "budget", None) in {None, *BUDGETS}


def test_the_number_of_methods_is_right() -> None:
    from adaqn_lab.recipes import ALL

    assert f"**`adaqn_lab`**: {len(ALL)} methods" in README.read_text(encoding="utf-8")
    assert f"this library has {len(ALL)}." in (ROOT / "docs/index.md").read_text(encoding="utf-8")
    assert f"the {len(ALL)} recipes" in (ROOT / "docs/parts.md").read_text(encoding="utf-8")


def test_parts_page_names_every_part() -> None:
    from adaqn_lab import guards, memory, pairs, scaling, steppers

    table = (ROOT / "docs/parts.md").read_text(encoding="utf-8").partition("## All parts")[2].partition("\n## ")[0]
    protocols = {"CurvatureTest", "Repair", "Normalisation", "Mean", "MeanTimesBatch", "Sum"}
    parts = {name for package in (guards, memory, pairs, scaling, steppers) for name in package.__all__} - protocols
    assert {name for name in parts if f"`{name}`" not in table} == set()


def test_the_address_is_the_same_everywhere() -> None:
    """One place decides, ``[project.urls]``."""
    assert f"repo_url: {REPOSITORY}\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert f'repository-code: "{REPOSITORY}"\n' in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert all(url.startswith(REPOSITORY) for url in METADATA["urls"].values())


def test_the_version_is_the_same_everywhere() -> None:
    import adaqn_lab

    version = METADATA["version"]
    assert adaqn_lab.__version__ == version
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {version} - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
