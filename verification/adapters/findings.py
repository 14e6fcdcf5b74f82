"""What is wrong with other libraries' L-BFGS: a judgement for every failure in the table, and what was found beside it.

The text of a finding is the docstring of its case, a script in ``cases`` that imports that library alone; the page
docs/libraries.md holds the text, the script and what it prints.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

CASES = Path(__file__).parent / "cases"
SECONDS = 300
"""A case that runs longer is stopped."""


class Judgement(Enum):
    """Whether it is a bug."""

    BUG = "Bug"
    """It contradicts what the library says of itself, or what the method needs."""
    CHOICE = "Choice"
    """It does what it says; who uses it has to know."""


@dataclass(frozen=True)
class Finding:
    """One thing about one column of the table: the ``laws`` that fail by it (none: found beside the laws).

    ``case`` is the script without ".py"; ``mutant`` is the wrong part in this repository which has the same mechanism.
    """

    library: str
    judgement: Judgement
    case: str
    laws: tuple[str, ...] = ()
    mutant: str = ""

    @property
    def path(self) -> Path:
        """Where the script is."""
        return CASES / f"{self.case}.py"

    @property
    def _text(self) -> str:
        return ast.get_docstring(ast.parse(self.path.read_text(encoding="utf-8"))) or ""

    @property
    def title(self) -> str:
        """Its first sentence, without the full stop."""
        return self._text.partition("\n")[0].rstrip(".")

    @property
    def text(self) -> str:
        """What follows."""
        return self._text.partition("\n\n")[2]

    @property
    def script(self) -> str:
        """The script without its docstring."""
        return self.path.read_text(encoding="utf-8").split('"""', 2)[2].strip()

    def run(self) -> str:
        """What the script prints, run from an empty folder. Raises ``RuntimeError`` with its last words if it fails."""
        quiet = {**os.environ, "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-W", "ignore", str(self.path)]
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=quiet, timeout=SECONDS)
        if done.returncode:
            raise RuntimeError(f"{self.path.name} failed: {done.stderr.strip().splitlines()[-1]}")
        return re.sub(r"^[WIE]\d{4} .*\n", "", done.stdout, flags=re.MULTILINE).strip()


BUG, CHOICE = Judgement.BUG, Judgement.CHOICE
FINDINGS = (
    Finding("adaqn_lab", CHOICE, "adaqn_lab_large_loss", ("large-loss",), "bounded_curvature"),
    Finding("torch.optim.LBFGS", CHOICE, "torch_small_loss", ("small-loss",), "absolute_threshold"),
    Finding("SciPy L-BFGS-B", BUG, "scipy_ring_order", ("pairs-of-steps",), "reports_the_ring_as_it_lies"),
    Finding("optax.lbfgs", CHOICE, "optax_negative_curvature", ("negative-curvature",), "takes_every_pair"),
    Finding(
        "jax.scipy",
        BUG,
        "jax_scipy_failed_search",
        ("small-loss", "negative-curvature"),
        "stores_the_failed_search",
    ),
    Finding("jaxopt.LBFGS", CHOICE, "jaxopt_negative_curvature", ("negative-curvature",), "takes_every_pair"),
    Finding("optimistix.LBFGS", CHOICE, "optimistix_small_loss", ("small-loss",), "absolute_threshold"),
    Finding(
        "blackjax Pathfinder",
        BUG,
        "blackjax_absolute_eps",
        ("pair-scale", "equals-l-bfgs-b", "far-lengths"),
        "eps_added_to_r",
    ),
    Finding("blackjax Pathfinder", BUG, "blackjax_gamma", mutant="newest_is_oldest"),
    Finding("TFP lbfgs_minimize", CHOICE, "tfp_negative_curvature", ("negative-curvature",), "takes_every_pair"),
    Finding(
        "GradientTransformation",
        BUG,
        "gradienttransformation_first_pair_refused",
        ("small-loss", "refused-pair", "steps-downhill", "pairs-of-steps", "steps-are-h-g"),
        "divides_by_an_empty_slot",
    ),
    Finding(
        "GradientTransformation", BUG, "gradienttransformation_zero_sum", ("whole-numbers",), "zero_sum_is_no_pair"
    ),
    Finding("pytorch-minimize", CHOICE, "torchmin_small_loss", ("small-loss",), "absolute_threshold"),
    Finding("pytorch-minimize", BUG, "torchmin_return_all", mutant="start_overwritten"),
    Finding("torchzero", CHOICE, "torchzero_small_loss", mutant="absolute_threshold"),
    Finding("torchzero, damped", CHOICE, "torchzero_small_loss", mutant="absolute_threshold"),
    Finding("torchzero, damped", BUG, "torchzero_powell", ("pairs-of-steps",), "blends_s_with_bs"),
    Finding("QQN", CHOICE, "qqn_small_loss", ("small-loss",), "absolute_threshold"),
    Finding("QQN", CHOICE, "qqn_path", ("steps-are-h-g",)),
    Finding("ASE", CHOICE, "ase_negative_curvature", ("negative-curvature",), "takes_every_pair"),
    Finding(
        "pysisyphus",
        CHOICE,
        "pysisyphus_negative_curvature",
        ("negative-curvature", "at-rest", "steps-downhill", "pairs-of-steps"),
        "takes_every_pair",
    ),
    Finding("pysisyphus", BUG, "pysisyphus_one_too_many", ("steps-are-h-g",), "one_pair_too_many"),
    Finding("pysisyphus", BUG, "pysisyphus_regularised", mutant="adds_a_multiple_and_s"),
    Finding("lbfgsb", BUG, "lbfgsb_checkpoint", mutant="sums_from_the_oldest"),
    Finding("stochQN oLBFGS", CHOICE, "stochqn_units", ("small-loss", "large-loss"), "absolute_threshold"),
    Finding("stochQN oLBFGS", BUG, "stochqn_nan_curvature", ("negative-curvature",), "nan_passes_the_test"),
    Finding("stochQN oLBFGS", BUG, "stochqn_ring_backup", mutant="backup_copied_backwards"),
    Finding("stochQN oLBFGS", BUG, "stochqn_adaqn_h0", mutant="gradient_as_scaling"),
)
"""All of them, in the order of the table's columns."""


def of(library: str, law: str) -> Finding | None:
    """What is said of this failure."""
    return next((x for x in FINDINGS if x.library == library and law in x.laws), None)
