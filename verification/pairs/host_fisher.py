"""The same with the gradients in the memory of the host: held to the same laws."""

from __future__ import annotations

from functools import partial

import torch

from adaqn_lab import HostFisher, Sum
from verification.law import Subject
from verification.pairs.empirical_fisher import declares
from verification.specimen import Specimen

SPECIMEN = Specimen(
    role=Subject.PAIRS,
    kind=HostFisher,
    variations=(
        HostFisher,
        partial(HostFisher, window=3, every=2),
        partial(HostFisher, window=2, every=5, normalisation=Sum()),
        partial(HostFisher, window=3, every=2, dtype=torch.bfloat16),
    ),
    declares=declares,
)
