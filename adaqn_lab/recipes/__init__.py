"""Named recipes; the file name is the citation."""

from adaqn_lab.recipes.keskar2016_adaqn import ADAQN, ADAQN_MINSQN, ADAQN_STOCHQN

__all__ = ["ADAQN", "ADAQN_MINSQN", "ADAQN_STOCHQN"]
