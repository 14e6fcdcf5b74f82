"""Which code and which torch a study was begun with: what is refused, and what is the same by another name."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from studies.errors import InputError
from studies.execution.provenance import check_code, clone, environment
from tests.studies.training.test_device import two_gpus as two_gpus

ROOT = Path(__file__).parents[3]
CODE = {"sources": environment()["sources"]}


@pytest.mark.parametrize("build", ["", "+cpu", "+cu130", "+rocm7"])
def test_a_build_of_the_same_torch_may_go_on(build: str) -> None:
    check_code("it", {**CODE, "torch": torch.__version__.partition("+")[0] + build}, allow_mixed=False)


@pytest.mark.parametrize("begun", [{**CODE, "torch": "2.0.0+cpu"}, {"sources": "0123456789ab"}, {"commit": "0" * 40}])
def test_other_code_and_another_torch_are_refused_unless_allowed(begun: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"begun with other code: .* there and .* here"):
        check_code("it", begun, allow_mixed=False)
    check_code("it", begun, allow_mixed=True)


def test_a_row_from_a_cpu_tells_what_it_always_told() -> None:
    environment.cache_clear()  # when the tests were collected there may have been more threads
    told = environment()
    assert (told["device"], environment("cpu", False)) == ("cpu", told)
    assert list(told)[-2:] == ["device", "torch_threads"]


@pytest.mark.usefixtures("two_gpus")
def test_a_row_from_a_gpu_tells_its_name_and_what_products_are_computed_in() -> None:
    for tf32, products in ((False, "float32"), (True, "TF32")):
        told = environment("cuda:1", tf32)
        assert (told["device"], told["products"], "cuda" in told) == ("NVIDIA A100", products, True)


def copied_to(folder: Path) -> Path:
    """The program where pip would put it, without a clone around it; the folder that is imported from."""
    for package in ("studies", "adaqn_lab"):
        ignored = shutil.ignore_patterns("__pycache__", "records")
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    metadata = folder / "adaqn_lab-7.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.4\nName: adaqn-lab\nVersion: 7\n")
    return metadata


@pytest.mark.parametrize("commit", [None, "32bb098740e1841d6ac0362d67f0df49c0a0805e"])
def test_an_installation_in_somebody_s_repository_does_not_tell_his_commit(commit: str | None, tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        subprocess.run([*git, *words], check=True)
    place = tmp_path / ".venv" / "lib" / "site-packages"
    metadata = copied_to(place)
    if commit:
        origin = {"url": "https://example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": commit}}
        (metadata / "direct_url.json").write_text(json.dumps(origin))
    code = (
        "from pathlib import Path\nfrom studies.execution.provenance import environment, clone\n"
        "from studies.commands.record import _records\nprint(environment()['commit'], clone(), _records(None))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path,
        env={"PYTHONPATH": str(place), "PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.stdout.split() == [str(commit), "None", "records"]


def test_a_clone_tells_its_commit() -> None:
    assert clone() == ROOT
    assert re.fullmatch("[0-9a-f]{40}[+]?", environment()["commit"])
