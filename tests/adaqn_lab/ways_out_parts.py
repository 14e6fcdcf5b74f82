"""Ways out of what parts refuse: numbers, parts inside, other parts which do not suit them."""

from __future__ import annotations

import math

import torch

import adaqn_lab as lab
from adaqn_lab import Cadence, EmpiricalFisher, Identity, Space, Window, bases
from adaqn_lab.diagonal import Diagonal
from tests.adaqn_lab.training import UNGUARDED
from tests.adaqn_lab.ways_out import Case, after, evaluated, trains

EVERY_STEP = Cadence(every=1, after_step=True, from_start=True, always_advance=True)
LOOK_AHEAD = UNGUARDED.but(pairs=lab.LookAheadDifference(), stepper=lab.Nesterov(), cadence=EVERY_STEP)


def with_pairs(pairs):
    return trains(UNGUARDED.but(pairs=pairs))


def with_scaling(scaling):
    return trains(UNGUARDED.but(scaling=scaling))


def with_memory(memory):
    return trains(UNGUARDED.but(memory=memory))


def with_stepper(stepper):
    return trains(UNGUARDED.but(stepper=stepper))


# -- numbers and flags --------------------------------------------------------------------------------------------

CHECKS = [
    Case(
        "not an int",
        TypeError,
        lambda: Window(capacity=2.5),
        "Window: capacity=2.5 is not an integer",
        {"pass an int >= 0": lambda words: [with_memory(Window(capacity=int(words.split()[-1]) + k)) for k in (0, 3)]},
    ),
    Case(
        "int too small",
        ValueError,
        lambda: EmpiricalFisher(window=0),
        "EmpiricalFisher: window=0 is too small",
        {"pass an int >= 1": lambda words: with_pairs(EmpiricalFisher(window=int(words.split()[-1])))},
    ),
    Case(
        "not a number",
        TypeError,
        lambda: lab.AdaGrad(eps="1e-4"),
        "AdaGrad: eps='1e-4' is not a number",
        {"pass a float": lambda _: with_scaling(lab.AdaGrad(eps=1e-4))},
    ),
    Case(
        "number out of range",
        ValueError,
        lambda: lab.Momentum(momentum=1.5),
        "Momentum: momentum=1.5 is out of range",
        {
            "pass a finite number >= 0 and < 1": lambda _: [
                with_stepper(lab.Momentum(momentum=value)) for value in (0.0, 0.5, 0.99)
            ]
        },
    ),
    Case(
        "number without bounds",
        ValueError,
        lambda: lab.GradientDifference(shift=math.nan),
        "GradientDifference: shift=nan is out of range; pass a finite number.",  # sentence proposed
        {"pass a finite number": lambda _: with_pairs(lab.GradientDifference(shift=-0.25))},
    ),
    Case(
        "share of one",
        ValueError,
        lambda: lab.AggregatedWindow(parallel=2.0),
        "AggregatedWindow: parallel=2.0 is out of range",
        {  # sentence proposed
            "pass a finite number > 0 and <= 1": lambda _: [
                with_memory(lab.AggregatedWindow(parallel=value)) for value in (1e-6, 0.5, 1.0)
            ]
        },
    ),
    Case(
        "tau",
        ValueError,
        lambda: lab.TauDamping(tau=2.0),
        "TauDamping: tau=2.0 is out of range",
        {  # sentence proposed
            "pass a finite number > 0 and <= 1": lambda _: [
                with_memory(lab.Repaired(by=lab.TauDamping(tau=value))) for value in (1e-6, 0.5, 1.0)
            ]
        },
    ),
    Case(
        "shrink",
        ValueError,
        lambda: lab.Nesterov(shrink=2.0),
        "Nesterov: shrink=2.0 is out of range",
        {  # sentence proposed
            "pass a finite number > 0 and <= 1": lambda _: [
                with_stepper(lab.Nesterov(shrink=value)) for value in (1e-6, 0.5, 1.0)
            ]
        },
    ),
    Case(
        "not a bool",
        TypeError,
        lambda: Cadence(after_step=1),
        "Cadence: after_step=1 is not a bool",
        {
            "pass True or False": lambda _: [
                trains(UNGUARDED.but(cadence=Cadence(every=3, after_step=value))) for value in (True, False)
            ]
        },
    ),
    Case(
        "storage",
        TypeError,
        lambda: Window(dtype=torch.float16),
        "Window: dtype=torch.float16 cannot store vectors",
        {
            "pass torch.bfloat16": lambda words: with_memory(Window(dtype=after(words, "pass "))),
            "None for their own": lambda _: with_memory(Window(dtype=None)),
        },
    ),
]

# -- parts that are none, or do not suit the others -----------------------------------------------------------------


class CurvatureMean(bases.ScalingBase):
    """A user's H0 from all pairs held."""

    def h0(self, state, curvature):
        s_y, _, y_y, held = curvature.products()
        return Diagonal(gamma=torch.where(held, s_y / y_y, 1.0).mean(dim=1) if held.numel() else None)


def inner_stepper(part):
    return Case(
        f"of is no stepper: {part.__name__}",
        TypeError,
        lambda: part(of=Window()),
        f"{part.__name__}: of=Window(capacity=10, test=CautiousYY(eps=0.0001), dtype=None) is no InnerStepper",
        {
            "pass a stepper, for example Plain()": lambda words: with_stepper(
                part(of=evaluated(words.rpartition("for example ")[2]))
            )
        },
    )


def inner_memory(part):
    return Case(
        f"of is no memory: {part.__name__}",
        TypeError,
        lambda: part(of=Window),
        f"{part.__name__}: of=<class 'adaqn_lab.memory.window.Window'> is no MemoryPolicy",
        {
            "pass a memory, for example Window()": lambda words: with_memory(
                part(of=evaluated(words.rpartition("for example ")[2]))
            )
        },
    )


def dense(part):
    return Case(
        f"too large: {part.__name__}",
        ValueError,
        lambda: trains(UNGUARDED.but(memory=part(limit=52))),
        f"{part.__name__}: 53 parameters would need dense matrices of 53 x 53, above limit=52",
        {
            "use Window()": lambda words: with_memory(after(words, "use ")),
            "raise the limit": lambda _: with_memory(part(limit=53)),
        },
    )


PARTS = [
    *map(
        inner_stepper,
        (
            lab.Clipped,
            lab.Decaying,
            lab.GradientAverage,
            lab.Momentum,
            lab.Nesterov,
            lab.Normalised,
            lab.PlusGradient,
            lab.WarmStart,
        ),
    ),
    *map(inner_memory, (lab.Repaired, lab.BlockDiagonal)),
    *map(dense, (lab.Dense, lab.RegularisedDense)),
    Case(
        "no repair",
        TypeError,
        lambda: lab.Repaired(by=Window()),
        "Repaired: by=Window(capacity=10, test=CautiousYY(eps=0.0001), dtype=None) is no Repair",
        {
            "pass one, for example PowellB()": lambda words: with_memory(
                lab.Repaired(by=evaluated(words.rpartition("for example ")[2]))
            )
        },
    ),
    Case(
        "repair with B",
        TypeError,
        lambda: with_memory(lab.Repaired(by=lab.PowellB(), of=lab.SoftWindow())),
        "Repaired(by=PowellB(delta=0.2)) needs B = H^-1 but memory=SoftWindow(",
        {
            "pass Window()": lambda words: with_memory(lab.Repaired(of=after(words, "pass "))),
            "Dense()": lambda words: with_memory(lab.Repaired(of=evaluated(words))),
        },
    ),
    Case(
        "other H0",
        ValueError,
        lambda: with_memory(lab.DisplacementAggregation(h0=0.5)),
        "DisplacementAggregation(h0=0.5) changes y by H0^-1 of that H0, but the scaling is AdaGrad(eps=0.0001)",
        {
            "take Constant(value=0.5)": lambda words: trains(
                UNGUARDED.but(memory=lab.DisplacementAggregation(h0=0.5), scaling=after(words, "take "))
            ),
            "AggregatedWindow() for any H0": lambda words: [
                trains(UNGUARDED.but(memory=evaluated(words.split()[0]), scaling=scaling))
                for scaling in (lab.AdaGrad(), lab.RMSProp(), lab.BarzilaiBorwein(), Identity())
            ],
        },
    ),
    Case(
        "mean over no list",
        ValueError,
        lambda: trains(UNGUARDED.but(memory=lab.Dense(), scaling=lab.BarzilaiBorweinMean())),
        "BarzilaiBorweinMean averages over the pairs held, and memory=Dense(",
        {
            "use BarzilaiBorwein()": lambda words: trains(
                UNGUARDED.but(memory=lab.Dense(), scaling=after(words, "use "))
            )
        },
    ),
    Case(
        "products of no list",
        TypeError,
        lambda: trains(UNGUARDED.but(memory=lab.Dense(), scaling=CurvatureMean())),
        "DenseMatrices keeps no list of its pairs",
        {
            "choose a memory which does: Window()": lambda words: trains(
                UNGUARDED.but(memory=evaluated(words.rpartition(": ")[2]), scaling=CurvatureMean())
            )
        },
    ),
    Case(
        "solve without products",
        TypeError,
        lambda: solved(lab.SoftWindow()),
        "forms no products with B = H^-1",
        {
            "choose a memory which does, such as Window()": lambda words: solved(
                evaluated(words.rpartition("such as ")[2])
            )
        },
    ),
    Case(
        "above at_most",
        ValueError,
        lambda: lab.Nesterov(momentum=0.995),
        "Nesterov: momentum=0.995 is above at_most=0.99",
        {"raise at_most": lambda _: with_stepper(lab.Nesterov(momentum=0.995, at_most=0.995))},
    ),
    Case(
        "windows of averages",
        ValueError,
        lambda: trains(UNGUARDED.but(pairs=lab.AveragedDifference(every=20))),
        "AveragedDifference: every=20 but the cadence closes a window every 3 steps",
        {
            "pass the same number to both": lambda _: [
                trains(UNGUARDED.but(pairs=lab.AveragedDifference(every=n), cadence=Cadence(every=n))) for n in (3, 20)
            ]
        },
    ),
    Case(
        "no sample",
        TypeError,
        lambda: lab.GradientDifference(sample="batch"),
        "GradientDifference: sample='batch' is no Sample",
        {"pass Sample.BATCH": lambda words: with_pairs(lab.GradientDifference(sample=after(words, "pass ")))},
    ),
    Case(
        "look ahead over a window",
        ValueError,
        lambda: LOOK_AHEAD.but(cadence=Cadence(every=3)),
        "LookAheadDifference pairs one step at a time, cadence=Cadence(every=3",
        {
            "pass Cadence(every=1, after_step=True, from_start=True, always_advance=True)": lambda words: trains(
                LOOK_AHEAD.but(cadence=after(words, "pass "))
            )
        },
    ),
    Case(
        "look ahead without Nesterov",
        ValueError,
        lambda: LOOK_AHEAD.but(stepper=lab.Plain()),
        "LookAheadDifference: momentum=0.9 is not that of stepper=Plain()",
        {
            "pass stepper=Nesterov(momentum=0.9)": lambda words: trains(
                LOOK_AHEAD.but(stepper=after(words, "pass stepper="))
            )
        },
    ),
    Case(
        "look ahead far",
        ValueError,
        lambda: LOOK_AHEAD.but(pairs=lab.LookAheadDifference(momentum=0.995)),
        "LookAheadDifference: momentum=0.995 is not that of stepper=Nesterov(",
        {  # sentence proposed
            "pass stepper=Nesterov(momentum=0.995, at_most=0.995)": lambda words: trains(
                LOOK_AHEAD.but(
                    pairs=lab.LookAheadDifference(momentum=0.995), stepper=after(words, "pass stepper="), guard=None
                )
            )
        },
    ),
    Case(
        "shapes of another size",
        ValueError,
        lambda: Space(1, 5, shapes=((2, 3),)),
        "Space: shapes=((2, 3),) have 6 elements",
        {"pass size=6": lambda words: Space(1, shapes=((2, 3),), size=after(words, "pass size=")).zeros()},
    ),
]


def solved(memory):
    """B v with no pairs and H0 = I is v."""
    space, v = Space(1, 3), torch.tensor([[1.0, -2.0, 3.0]])
    assert torch.equal(memory.solve_(memory.init(space), v.clone(), Diagonal()), v)


CASES = CHECKS + PARTS
