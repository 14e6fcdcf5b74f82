"""Why a mutant lives, by where it is and what it changes, as regular expressions; the first entry that fits counts."""

from typing import NamedTuple


class Entry(NamedTuple):
    """What is searched for in a mutant's place and in the lines before and after, and why it lives."""

    place: str
    before: str
    after: str
    reason: str


ONE_LENGTH = "Equivalent: what is zipped has one length by construction, or another line has refused it."
ONE_DEVICE = "Equivalent on one device; the meta device, by which the tests stand in for another, has no say here."
SAME_VALUES = "Equivalent: the same values by another copy, conversion or factorisation."
SAME_FUNCTION = "Equivalent: another way to the same numbers, slower or larger; what it saves is measured, not tested."
BOUNDARY = "Equivalent: at the boundary itself both sides are the same number, or it has probability zero."
MASKED = "Equivalent: what stands there is masked before it is read."
NOTHING_THERE = "Equivalent: what it is multiplied by, or whatever reads it, is zero or empty there."
SYMMETRIC = "Equivalent: the matrix is square, or only its diagonal and lower triangle are read."
UNREAD = "Equivalent: the callee does not read this argument."
ONCE = "Equivalent: overwritten at the first step before anything reads it."
OTHER_DRAWS = "Not equivalent and not wrong: other random numbers of the same distribution."
PROBE = "Equivalent: any space will do to see what the memory's state has."
SLOW = "Seen by tests/adaqn_lab/test_graphs.py, which the judge leaves out because it is slow."
REFUSES = "Equivalent: the callee refuses whatever it is given."
GPU = "Seen on a GPU only, by tests/adaqn_lab/test_host_fisher.py; the judge has none."
NOT_PROMISED = "Not promised: how much smaller the parts are which are proposed where the memory does not suffice."

REASONS: tuple[Entry, ...] = (
    Entry("", r"strict=True", r"strict=(None|False)|, \)", ONE_LENGTH),
    Entry("groups._descend", "", r"\) and False|non_blocking=False|dtype=v\.dtype, \)", SAME_FUNCTION),
    Entry("", r"device=[\w\"]", r"device=None", ONE_DEVICE),
    Entry("", r"device=[\w\"]", r"^((?!device=).)*$", ONE_DEVICE),
    Entry("", r"\.to\([\w\".]+", r"\.to\((None|torch\.uint8|non_blocking)", ONE_DEVICE),
    Entry("checkpoint.unpack_", r"space\.device", "None", ONE_DEVICE),
    Entry("state.load_", "is_pinned", "", ONE_DEVICE),
    Entry("HostFisher.init", "pinned", "", GPU),
    Entry("HostStore", "non_blocking=True", r"non_blocking=False|, \)", GPU),
    Entry("", r"OPS\.\w+ if served", "", SAME_FUNCTION),
    Entry("optimizer.QuasiNewton", "_graphs", "", SLOW),
    Entry("SoftWindow.solve_", "", "", REFUSES),
    Entry("ring.(put|write)_|add_difference_", "passing|plain", "None|rows|, \\)", SAME_FUNCTION),
    Entry("_close_window|Algorithm.decide", r"out=self\._?vector", "", SAME_FUNCTION),
    Entry("plain", r"\.type|on_cpu|whole == n|WIDENED|runs == 1", "", SAME_FUNCTION),
    Entry("groups.move_", "rates", "None|or True", SAME_FUNCTION),
    Entry("StaticState.settle_", "clone", "or True", SAME_FUNCTION),
    Entry("memory_limits._smaller", r"Fisher\(|Window\(", "", NOT_PROMISED),
    Entry("Algorithm._admit", "copies is not None", " or ", "Equivalent: there are copies iff somebody watches."),
    Entry("history._over_|History.rounded|ring._flat", "", r"\) and False", SAME_VALUES),
    Entry("apply_", "getattr|diagonal", "", SAME_FUNCTION + " The law `h0-as-data` holds the two together."),
    Entry("mask|CentredFisher.init|scatter|keep_|SketchedFisher|reset_", "dtype", "", SAME_VALUES),
    Entry("", 'mode="r"', r"^((?!mode=).)*$", SAME_VALUES),
    Entry("_lower_factor", "diagonal", r"diagonal\(1, 2\)", SAME_VALUES),
    Entry("reset_", r"shape\[1\]", r"shape\[2\]", SYMMETRIC),
    Entry("taken_over", "eye", r"eye / |unsqueeze\(2\)", SYMMETRIC),
    Entry("_sides", r"any\(1", "", NOTHING_THERE),
    Entry("SketchedFisher.observe_", r"newest, step\.where", "", NOTHING_THERE),
    Entry("_older", "rest|pairs", "", NOTHING_THERE),
    Entry("taken_over", r"0\.0\) @ taken|, 1\.0\)|right = ", "", MASKED),
    Entry("_in_time|Dense.init|RegularisedDense.init|Dense.admit_|_blend|BiasCorrectedRMSProp", "", "", MASKED),
    Entry("HessianDifference.pair_", r"0\.0\)", r"1\.0\)", NOTHING_THERE),
    Entry("Normalised.direction_", r"1\.0", r"2\.0", NOTHING_THERE),
    Entry("Difference.pair_", "self.shift", "or True", NOTHING_THERE),
    Entry("says_diagonal", "", "", "Equivalent: a scaling has an `apply_`, so that the second place is found too."),
    Entry("", r"[<>]=? ", r"[<>]=? ", BOUNDARY),
    Entry("TauDamping.__post_init__", "at_least", "", "Equivalent: the line before refuses it."),
    Entry("BlockDiagonal.admit_|ShiftedWindow.admit_", "", "", UNREAD),
    Entry("AveragedDifference.init", "", "", ONCE),
    Entry("SampledHessian.pair_", "float64", "", OTHER_DRAWS),
    Entry("BarzilaiBorweinMean.check_recipe", "Space", "", PROBE),
)
