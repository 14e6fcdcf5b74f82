"""Why a mutant lives, by where it is and what it changes, as regular expressions; the first entry that fits counts."""

from typing import NamedTuple


class Entry(NamedTuple):
    """What is searched for in a mutant's place and in the line as it is, what its whole change is, and why it lives.

    A change reads ``taken away -> put there``: ``< -> <=``.
    """

    place: str
    line: str
    change: str
    reason: str


ONE_LENGTH = "Equivalent: what is zipped has one length by construction, or another line has refused it."
ONE_DEVICE = "Equivalent on one device; the meta device, by which the tests stand in for another, has no say here."
GPU = "Equivalent on a CPU: it changes where memory lies or what waits beside a GPU, which tests marked `gpu` can see."
SAME_VALUES = "Equivalent: the same values by another copy, conversion or factorisation."
SAME_FUNCTION = "Equivalent: another way to the same numbers, slower or larger; what it saves is measured, not tested."
BOUNDARY = "Equivalent: at the boundary itself both sides are the same number, or it has probability zero."
MASKED = "Equivalent: what stands there is masked before it is read."
NOTHING_THERE = "Equivalent: what it is multiplied by, or whatever reads it, is zero or empty there."
SYMMETRIC = "Equivalent: the matrix is square, or only its diagonal and lower triangle are read."
ONCE = "Equivalent: overwritten at the first step before anything reads it."
OTHER_DRAWS = "Not equivalent and not wrong: other random numbers of the same distribution."
PROBE = "Equivalent: any space will do to see what the memory's state has."
WATCHED = "Equivalent: there are copies iff somebody watches."
NOT_PROMISED = "Not promised: how much smaller the parts are which are proposed where the memory does not suffice."

ANYTHING = r".*"
GONE = r"-> (None)?"
BOOLEAN = r"(\w+=)?True -> (None|False)?"
STRICTER = r"(<|>)=? -> (<|>)=?"
DEVICE = r'(device=)?([\w.]*\bdevice|"cpu"|"meta"),? '

REASONS: tuple[Entry, ...] = (
    Entry("", r"strict=True", BOOLEAN, ONE_LENGTH),
    Entry("", r"non_blocking=True", BOOLEAN, GPU),
    Entry("groups._descend", r"numel\(\) == 1", r".* -> \(.*\) and False", GPU),
    Entry("HostFisher.init", "pinned", rf'(".*"|pinned|space\.device.*) (-> ".*"|-> .* and False|{GONE})', GPU),
    Entry("state.load_", "is_pinned", rf".* {GONE}", GPU),
    Entry("", r"device|\"cpu\"", DEVICE + GONE, ONE_DEVICE),
    Entry("memory_limits.state_bytes", r"torch\.empty\(0", rf".* {GONE}", NOTHING_THERE),
    Entry("memory_limits._smaller", r"Fisher\(|Window\(", r"\d+ -> \d+", NOT_PROMISED),
    Entry("keep_finite_|scatter|SketchedFisher.observe_", r"\.to\(", rf"\S*dtype {GONE}", SAME_VALUES),
    Entry("Space.mask|CentredFisher.init|Dense.reset_", "dtype", rf"\S*(dtype|bool|float64),? {GONE}", SAME_VALUES),
    Entry("history.History.rounded", "dtype", r".* and False", SAME_VALUES),
    Entry("aggregation", 'mode="r"', r'mode="r" -> ', SAME_VALUES),
    Entry("_lower_factor", r"diagonal\(-1, 1, 2\)", "-1, -> ", SAME_VALUES),
    Entry("length_of", "squares < 1 / UP", r"< -> <=|1 -> 2", SAME_VALUES),
    Entry("plain", r"SHARED|LONG|BLOCKED|ABREAST|WIDENED|16 \* TILE|m > 1", ANYTHING, SAME_FUNCTION),
    Entry("plain", r"device\.type|on_cpu", ANYTHING, SAME_FUNCTION),
    Entry("plain", r"whole (==|<) n|runs == 1", rf".* and False|{STRICTER}", SAME_FUNCTION),
    Entry("groups.move_", "rates", ANYTHING, SAME_FUNCTION),
    Entry("StaticState.settle_", "clone", r".* or True", SAME_FUNCTION),
    Entry("Algorithm.decide", r"out=self\.vector", rf"\S*vector {GONE}", SAME_FUNCTION),
    Entry("Difference.pair_", r"self\.shift", r".* or True", SAME_FUNCTION),
    Entry("Algorithm._admit", "copies is not None", "and -> or", WATCHED),
    Entry("Frame.taken_over|reset_", r"eye|shape\[1\]", r"\* -> /|1 -> 2", SYMMETRIC),
    Entry("_sides", r"any\(1", rf"1,? {GONE}", NOTHING_THERE),
    Entry("Frame._older", "rest|pairs", r"\+ -> -|1 -> 2", NOTHING_THERE),
    Entry("SketchedFisher.observe_", r"newest, step\.where", rf".* {GONE}", NOTHING_THERE),
    Entry("HessianDifference.pair_|Normalised.direction_", r"torch\.where\(", r"0 -> 1|1 -> 2", NOTHING_THERE),
    Entry("BiasCorrectedRMSProp.h0", r", 1\.0\)", "1 -> 2", NOTHING_THERE),
    Entry("ring.possible", r'"count"\} <=', "<= -> <", NOTHING_THERE),
    Entry("Frame.taken_over|_in_time|Dense.admit_", r"torch\.where\(.*, 0\.0\)", "0 -> 1", MASKED),
    Entry("Frame.taken_over|_blend", r"torch\.where\(.*, 1\.0\)", "1 -> 2", MASKED),
    Entry("Dense.init", r"fill=1\.0", "1 -> 2", MASKED),
    Entry("_lower_factor|_aggregate_|Clipped", r"[<>]", STRICTER, BOUNDARY),
    Entry("_powell|LevenbergDamping.repair|TauDamping.repair", r"[<>]", STRICTER, BOUNDARY),
    Entry("AveragedDifference.init", "", "False -> True", ONCE),
    Entry("SampledHessian.pair_", "float64", rf".*float64,? {GONE}", OTHER_DRAWS),
    Entry("BarzilaiBorweinMean.check_recipe", "Space", "1 -> 2", PROBE),
)
