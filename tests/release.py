"""``tox -e build``: what a release takes. The sdist and the wheel in dist/, checked, installed and used.

Each in an empty environment: the wheel alone, whose commands say what to install; then with its extras, whose commands
run, and write nothing where pip installs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
TEXT = "the gradient of a mini-batch points down and curvature bends it\n" * 200
STUDY = [
    "adaqn-studies",
    "ablate",
    "--text",
    "text.txt",
    "--out",
    "study",
    "--budget",
    "smoke",
    "--model",
    "rnn-tanh",
    "--steps",
    "10",
    "--workers",
    "1",
]
STEP = (
    "import torch; from adaqn_lab import ADAQN, QuasiNewton; w = torch.ones(3, requires_grad=True); "
    "o = QuasiNewton([w], ADAQN.but(guard=None), lr=0.1); (w @ w).backward(); o.step(); assert w.norm() < 3 ** 0.5"
)


def build() -> Path:
    """Make dist/ anew; return the wheel, which is built from the sdist."""
    shutil.rmtree(DIST, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "build", "--outdir", DIST, ROOT], check=True)
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *DIST.iterdir()], check=True)
    (wheel,) = DIST.glob("*.whl")
    return wheel


class Environment:
    """A virtual environment in a folder of its own, and a working directory beside it."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=True)
        self.programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.here = folder / "here"
        self.here.mkdir()
        (self.here / "text.txt").write_text(TEXT, encoding="utf-8")

    def install(self, what: str) -> None:
        """By pip, with the versions of constraints.txt."""
        pip = [self.programs / "python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", what]
        subprocess.run(pip, check=True, cwd=self.here)

    def run(self, words: Sequence[str], status: int = 0, says: str = "") -> str:
        """Run a program of the environment; what it printed. It must end with ``status`` and say ``says``."""
        print("$", *words, flush=True)
        outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [self.programs / words[0], *words[1:]], capture_output=True, encoding="utf-8", cwd=self.here, check=False,
            env={**outside, "PYTHONUTF8": "1"},
        )  # fmt: skip
        told = done.stdout + done.stderr
        assert done.returncode == status, f"ended with {done.returncode}, not {status}: {told}"
        assert says in told, f"{says!r} is not in {told}"
        assert "Traceback" not in told, told
        return told


def smoke(wheel: Path, folder: Path) -> None:
    """Install the wheel and use it, without extras and with them."""
    place = Environment(folder)
    place.install(str(wheel))
    place.run(["python", "-c", STEP])
    place.run(["adaqn-verify", "adaqn_lab:AdaGrad"], 2, f'pip install "{wheel}[verification]"')
    place.run(["python", "-m", "verification", "--list"], 2, "is not installed: pip install")
    place.run(["adaqn-studies", "ablate"], 2, f'pip install "{wheel}[studies]"')
    place.install(f"{wheel}[studies]")
    place.run(["adaqn-studies", "--help"], says="usage: adaqn-studies ")
    place.run(["adaqn-studies", "audit"], 2, f'pip install "{wheel}[verification]"')
    place.run([*STUDY, "--storage", "grpc://localhost:9"], 2, f'pip install "{wheel}[grpc]"')
    place.run([*STUDY, "--variants", "ADAQN", "Adam"], says="report.html")
    page = (place.here / "study" / "report.html").read_text(encoding="utf-8")
    assert "adaqn-lab[studies]==" in page, "the report does not say how to install the version that made it"
    assert "git checkout" not in page
    place.run(["adaqn-studies", "record", "study", "kept"])
    assert list((place.here / "records").glob("*_kept/README.md")), "the record is not under the working directory"
    place.install(f"{wheel}[verification]")
    place.run(["adaqn-verify", "adaqn_lab:AdaGrad", "--examples", "2"], says=" laws: ")
    place.run(["python", "-m", "verification", "--help"], says="usage: python -m verification ")


def main() -> None:
    """Build, check, install, use."""
    wheel = build()
    with tempfile.TemporaryDirectory() as folder:
        smoke(wheel, Path(folder))
    print(*sorted(DIST.iterdir()), "are ready", sep="\n")


if __name__ == "__main__":
    main()
