"""Every law, in one list."""

from verification.catalogue import modules as _modules
from verification.law import Law
from verification.laws.contract import clock as _clock
from verification.laws.contract import guards as _guards
from verification.laws.contract import h0 as _h0
from verification.laws.contract import parts as _parts
from verification.laws.invariance import memory as _memory
from verification.laws.invariance import methods as _methods
from verification.laws.invariance import scales as _scales
from verification.laws.mathematics import admission as _admission
from verification.laws.mathematics import aggregation as _aggregation
from verification.laws.mathematics import cautious as _cautious
from verification.laws.mathematics import centred_fisher as _centred_fisher
from verification.laws.mathematics import double_damping as _double_damping
from verification.laws.mathematics import family as _family
from verification.laws.mathematics import family_lengths as _family_lengths
from verification.laws.mathematics import family_pairs as _family_pairs
from verification.laws.mathematics import family_steps as _family_steps
from verification.laws.mathematics import operator as _operator
from verification.laws.mathematics import pairs as _pairs
from verification.laws.mathematics import quadratics as _quadratics
from verification.laws.mathematics import scaling as _scaling
from verification.laws.mathematics import spectrum as _spectrum
from verification.laws.mathematics import stepper as _stepper
from verification.laws.mathematics import sums as _sums
from verification.laws.reference import operator as _reference
from verification.laws.reference import pairs as _pair_references
from verification.laws.reference import recipes as _recipes
from verification.laws.reference import rounded_pairs as _rounded_pairs
from verification.laws.reference import scalings as _scalings
from verification.laws.reference import stores as _stores

LAWS: tuple[Law, ...] = (
    *_operator.LAWS,
    *_spectrum.LAWS,
    *_sums.LAWS,
    *_quadratics.LAWS,
    *_reference.LAWS,
    *_scales.LAWS,
    *_parts.LAWS,
    *_pairs.LAWS,
    *_pair_references.LAWS,
    *_stores.LAWS,
    *_rounded_pairs.LAWS,
    *_scaling.LAWS,
    *_h0.LAWS,
    *_scalings.LAWS,
    *_memory.LAWS,
    *_cautious.LAWS,
    *_family.LAWS,
    *_aggregation.LAWS,
    *_double_damping.LAWS,
    *_centred_fisher.LAWS,
    *_family_steps.LAWS,
    *_family_pairs.LAWS,
    *_family_lengths.LAWS,
    *_stepper.LAWS,
    *_guards.LAWS,
    *_clock.LAWS,
    *_methods.LAWS,
    *_recipes.LAWS,
    *_admission.LAWS,
    *(law for module in _modules() for law in getattr(module, "LAWS", ())),
)
"""All laws; their names are unique."""
