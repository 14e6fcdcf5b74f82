"""What to install, for an installation of any kind: from an index, a wheel's file, a clone, another repository."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PathDistribution

import pytest

from adaqn_lab import extras

METADATA = """Metadata-Version: 2.4
Name: adaqn-lab
Version: 1
Requires-Dist: torch>=2.11
Requires-Dist: numpy>=2; extra == "verification"
Requires-Dist: hypothesis[numpy]>=6; extra == "verification"
Requires-Dist: numpy>=2; extra == "studies"
Requires-Dist: scikit-learn>=1.6; extra == "studies"
Requires-Dist: grpcio>=1.70; extra == "grpc"
Requires-Dist: adaqn-lab[peers]; extra == "libraries"
Requires-Dist: ase>=3; extra == "libraries"
Requires-Dist: pytest>=9; extra == "dev"
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """An installation of the kind that direct_url.json says."""

    def make(origin=None):
        folder = tmp_path / "adaqn_lab-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(METADATA)
        if origin is not None:
            (folder / "direct_url.json").write_text(json.dumps(origin))
        monkeypatch.setattr(extras, "distribution", lambda name: PathDistribution(folder))

    return make


def lacking(module):
    return ModuleNotFoundError(f"No module named {module!r}", name=module)


@pytest.mark.parametrize(
    ("module", "preferred", "package", "extra"),
    [
        ("numpy", "studies", "numpy", "studies"),
        ("numpy.linalg", "verification", "numpy", "verification"),
        ("hypothesis", "studies", "hypothesis", "verification"),
        ("sklearn.datasets", "studies", "scikit-learn", "studies"),
        ("grpc", "studies", "grpcio", "grpc"),
    ],
)
def test_names_package_and_extra(installed, module, preferred, package, extra):
    installed()
    told = extras.missing(lacking(module), preferred)
    assert told == f'The package {package} is not installed: pip install "adaqn-lab[{extra}]".'


@pytest.mark.parametrize("module", ["mine", "pytest", "ase", "torch", ""])
def test_says_nothing_of_what_no_extra_has(installed, module):
    installed()
    assert extras.missing(lacking(module), "studies") is None
    assert extras.missing(ImportError("no name"), "studies") is None


def test_a_wheel_s_file_is_installed_again_with_the_extra(installed, tmp_path):
    wheel = tmp_path / "adaqn lab-1.whl"
    wheel.touch()
    installed({"url": wheel.as_uri(), "archive_info": {}})
    assert extras.install("grpc") == f'pip install "{wheel}[grpc]"'
    wheel.unlink()
    assert extras.install("grpc") == 'pip install "adaqn-lab[grpc]"'


@pytest.mark.parametrize(("info", "option"), [({"editable": True}, "-e "), ({}, "")])
def test_a_clone(installed, tmp_path, monkeypatch, info, option):
    installed({"url": tmp_path.as_uri(), "dir_info": info})
    assert extras.install("grpc") == f'pip install {option}"{tmp_path}[grpc]"'
    monkeypatch.chdir(tmp_path)
    assert extras.install("grpc") == f'pip install {option}".[grpc]"'


def test_a_repository_is_named_without_its_password(installed):
    url = "https://anna:secret@example.org/adaqn.git"
    installed({"url": url, "vcs_info": {"vcs": "git", "commit_id": "32bb098"}})
    assert extras.install("grpc") == 'pip install "adaqn-lab[grpc] @ git+https://example.org/adaqn.git@32bb098"'


def test_without_metadata():
    """As on a path that is no installation."""
    code = (
        "from adaqn_lab import extras; extras.NAME = 'not-installed-anywhere'\n"
        "print(extras.missing(ModuleNotFoundError(name='numpy'), 'studies'), extras.install('studies'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == 'None pip install "not-installed-anywhere[studies]"\n'
