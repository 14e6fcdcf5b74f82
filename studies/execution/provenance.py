"""Where results come from: machine, versions, commit, the code itself, command."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import distribution, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from studies.errors import InputError
from studies.training.device import name_of

STUDIES = Path(__file__).parents[1]
DECIDING = ("tasks", "models", "baselines", "variants", "training", "planning", "convex")
"""The rooms of `studies` whose code decides what a cell gives: with `adaqn_lab` they are what `sources` hashes."""


@cache
def sources() -> str:
    """Return a hash of the code that decides results: `adaqn_lab`, and the rooms of `studies` in `DECIDING`."""
    found = find_spec("adaqn_lab")
    library = Path(found.origin).parent if found and found.origin else STUDIES.parent / "adaqn_lab"
    digest = hashlib.sha256()
    for folder in (library, *(STUDIES / room for room in DECIDING)):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".cpp", ".cu"):
                digest.update(f"{folder.name}/{path.relative_to(folder).as_posix()}\0".encode())
                digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


@cache
def environment(device: str = "cpu", tf32: bool = False) -> dict[str, Any]:
    """Return versions, code, git commit (``None`` for a wheel), torch threads and device of this process.

    For a GPU also the version of CUDA and what float32 products are computed in.
    """
    place = torch.device(device)
    gpu = {} if place.type == "cpu" else {"cuda": torch.version.cuda, "products": "TF32" if tf32 else "float32"}
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "adaqn-lab": version("adaqn-lab"),
        "optuna": version("optuna"),
        "commit": _commit(),
        "sources": sources(),
        "device": name_of(place),
        "torch_threads": torch.get_num_threads(),
        **gpu,
    }


def check_code(place: str, provenance: Mapping[str, Any], allow_mixed: bool) -> None:
    """Raise `InputError` when a study was begun with other code, or another torch, than this process runs.

    Code is told apart by `sources`; for a study that was stored without it, by the commit.
    """
    here = environment()
    code = "sources" if "sources" in provenance else "commit"
    before = {name: provenance[name] for name in (code, "torch") if name in provenance}
    # 2.13.0+cpu and 2.13.0+cu130 are one version, built for a CPU and for a GPU.
    differences = [
        f"{name} {value} there and {here[name]} here"
        for name, value in before.items()
        if str(value).partition("+" if name == "torch" else "\0")[0]
        != str(here[name]).partition("+" if name == "torch" else "\0")[0]
    ]
    if differences and not allow_mixed:
        commit = f" (its commit: {provenance['commit']})" if provenance.get("commit") else ""
        raise InputError(
            f"{place} was begun with other code: {', '.join(differences)}{commit}; go on with that code, start anew "
            "with --out, or give --allow-mixed to mark the results as mixed."
        )


def machine() -> dict[str, str]:
    """Return the operating system and the processor's name as far as the system tells it."""
    name = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text(encoding="utf-8").splitlines()
            if "model name" in line
        ]
        name = f"{named[0]} ({len(named)} logical cores)" if named else name
    return {"system": platform.platform(), "processor": name or platform.machine()}


def provenance(command: str, workers: int) -> dict[str, Any]:
    """Return what is stored once per study: machine, versions, the command and when it was first given.

    Not the device: the command trains on none, and each row tells its own.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    here = {name: value for name, value in environment().items() if name != "device"}
    return {"started": started, "command": command, "workers": workers, **machine(), **here}


def grown_by(before: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenance ``before`` with the command of ``further`` after those that made the study.

    All of them stand in ``commands``, in order; a study that never grew has no such list.
    """
    made = commands_of(before)
    (new,) = commands_of(further)
    return dict(before) if made[-1]["command"] == new["command"] else {**before, "commands": [*made, new]}


def commands_of(provenance: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the commands that made a study, in order: each with the time it was first given and its workers."""
    first = {name: provenance[name] for name in ("command", "started", "workers") if name in provenance}
    return list(provenance.get("commands") or [{"command": "", **first}])


def clone() -> Path | None:
    """Return the folder of the checkout that this file is part of; ``None`` where it was installed without one."""
    try:
        _git("ls-files", "--error-unmatch", Path(__file__).name)
    except (OSError, subprocess.CalledProcessError):
        return None  # perhaps in a virtual environment that lies in somebody's repository
    return STUDIES.parent


def _git(*words: str) -> str:
    git = ["git", "-C", str(Path(__file__).parent), *words]
    return subprocess.run(git, capture_output=True, encoding="utf-8", check=True).stdout


def _commit() -> str | None:
    """Return the commit of the code, with ``+`` when files are changed; of a checkout, or as pip took it from git."""
    if clone() is None:
        return _installed_commit()
    try:
        return _git("rev-parse", "HEAD").strip() + ("+" if _git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _installed_commit() -> str | None:
    origin = json.loads(distribution("adaqn-lab").read_text("direct_url.json") or "{}")
    commit: str | None = origin.get("vcs_info", {}).get("commit_id")
    return commit
