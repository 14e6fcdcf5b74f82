"""Whole trajectories in plain NumPy float64, one function for each shipped recipe, written from the equations.

H is a dense matrix built anew at every step, B its inverse: slow, short, and nothing shared with the fast code.
"""

from __future__ import annotations

from collections.abc import Callable

from verification.references.trajectories import accelerated, adaqn, sketched, step_by_step, windows
from verification.references.trajectories.loops import Found
from verification.references.trajectories.problem import SIZES, Problem

TRAJECTORIES: dict[str, Callable[[Problem, float, int], Found]] = {
    "ADAQN": adaqn.adaqn,
    "ADAQN_MINSQN": adaqn.minsqn,
    "ADAQN_STOCHQN": adaqn.stochqn,
    "ADAQN_STOCHQN_DIFFERENCE": adaqn.stochqn_difference,
    "ADAQN_STOCHQN_RMSPROP": adaqn.stochqn_rmsprop,
    "ADAQN_RESCALED": adaqn.rescaled,
    "ADAQN_CENTRED": adaqn.centred,
    "ADAQN_GAUSS_NEWTON": adaqn.gauss_newton,
    "ADAQN_ADAM": adaqn.adam,
    "ADAQN_COSINE": adaqn.cosine,
    "ADAQN_PER_TENSOR": adaqn.per_tensor,
    "ADAQN_ROUNDED": adaqn.rounded,
    "ADAQN_SKETCHED": sketched.sketched,
    "ADAQN_TRUST": adaqn.trust,
    "ASNAQ": adaqn.asnaq,
    "SQN": windows.sqn,
    "DSQN": windows.dsqn,
    "SQN_BY_DIFFERENCE": windows.sqn_by_difference,
    "SQN_AGGREGATED": windows.sqn_aggregated,
    "SQN_STOCHQN": windows.sqn_stochqn,
    "SQN_STOCHQN_DIFFERENCE": windows.sqn_stochqn_difference,
    "SAMPLED_LBFGS": windows.sampled_lbfgs,
    "MLBFGS": windows.mlbfgs,
    "OLBFGS": step_by_step.olbfgs,
    "OBFGS": step_by_step.obfgs,
    "OBFGS_AGGREGATED": step_by_step.obfgs,
    "DOLBFGS": step_by_step.dolbfgs,
    "DOBFGS": step_by_step.dobfgs,
    "SDLBFGS": step_by_step.sdlbfgs,
    "SDBFGS": step_by_step.sdbfgs,
    "RES": step_by_step.res,
    "LRES": step_by_step.lres,
    "OLBFGS_STOCHQN": step_by_step.olbfgs_stochqn,
    "MULTIBATCH_LBFGS": step_by_step.multibatch,
    "DAMPED_LBFGS": step_by_step.damped_lbfgs,
    "SOFT_LBFGS": step_by_step.soft_lbfgs,
    "DOUBLE_DAMPED": step_by_step.double_damped,
    "OLNAQ": accelerated.olnaq,
    "ONAQ": accelerated.onaq,
}
"""Recipe name -> its trajectory ``(problem, lr, steps)``."""

__all__ = ["SIZES", "TRAJECTORIES", "Found", "Problem"]
