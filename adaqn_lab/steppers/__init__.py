"""Inner steppers: how do gradient and H become a step?"""

from adaqn_lab.steppers.plain import Plain

__all__ = ["Plain"]
