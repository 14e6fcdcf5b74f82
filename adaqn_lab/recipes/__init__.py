"""Named recipes; the file name is the citation. ``ALL`` lists them with what their definitions rest on."""

from adaqn_lab.recipes import berahas2016_multibatch as _berahas2016_multibatch
from adaqn_lab.recipes import byrd2016_sqn as _byrd2016_sqn
from adaqn_lab.recipes import goldfarb2020_kbfgs as _goldfarb2020_kbfgs
from adaqn_lab.recipes import indrapriyadarsini2020_asnaq as _indrapriyadarsini2020_asnaq
from adaqn_lab.recipes import keskar2016_adaqn as _keskar2016_adaqn
from adaqn_lab.recipes import minsqn as _minsqn
from adaqn_lab.recipes import proposals as _proposals
from adaqn_lab.recipes import schraudolph2007_olbfgs as _schraudolph2007_olbfgs
from adaqn_lab.recipes import stochqn as _stochqn
from adaqn_lab.recipes import wang2017_sdlbfgs as _wang2017_sdlbfgs
from adaqn_lab.recipes.berahas2016_multibatch import DAMPED_LBFGS, MULTIBATCH_LBFGS, SAMPLED_LBFGS
from adaqn_lab.recipes.byrd2016_sqn import DSQN, SQN, SQN_AGGREGATED, SQN_BY_DIFFERENCE
from adaqn_lab.recipes.goldfarb2020_kbfgs import DOUBLE_DAMPED, MLBFGS, SOFT_LBFGS
from adaqn_lab.recipes.indrapriyadarsini2020_asnaq import ASNAQ, OLNAQ, ONAQ
from adaqn_lab.recipes.keskar2016_adaqn import ADAQN, ADAQN_MINSQN, ADAQN_STOCHQN
from adaqn_lab.recipes.minsqn import DOBFGS, DOLBFGS, LRES, RES
from adaqn_lab.recipes.named import Evidence, Named
from adaqn_lab.recipes.proposals import (
    ADAQN_ADAM,
    ADAQN_CENTRED,
    ADAQN_COSINE,
    ADAQN_GAUSS_NEWTON,
    ADAQN_PER_TENSOR,
    ADAQN_RESCALED,
    ADAQN_ROUNDED,
    ADAQN_SKETCHED,
    ADAQN_TRUST,
    adaqn_centred,
    adaqn_rescaled,
)
from adaqn_lab.recipes.schraudolph2007_olbfgs import OBFGS, OBFGS_AGGREGATED, OLBFGS
from adaqn_lab.recipes.stochqn import (
    ADAQN_STOCHQN_DIFFERENCE,
    ADAQN_STOCHQN_RMSPROP,
    OLBFGS_STOCHQN,
    SQN_STOCHQN,
    SQN_STOCHQN_DIFFERENCE,
)
from adaqn_lab.recipes.wang2017_sdlbfgs import SDBFGS, SDLBFGS

ALL: tuple[Named, ...] = (
    *_keskar2016_adaqn.METHODS,
    *_byrd2016_sqn.METHODS,
    *_schraudolph2007_olbfgs.METHODS,
    *_minsqn.METHODS,
    *_stochqn.METHODS,
    *_wang2017_sdlbfgs.METHODS,
    *_berahas2016_multibatch.METHODS,
    *_goldfarb2020_kbfgs.METHODS,
    *_indrapriyadarsini2020_asnaq.METHODS,
    *_proposals.METHODS,
)
"""Every shipped method, the default first."""

__all__ = [
    "ADAQN",
    "ADAQN_ADAM",
    "ADAQN_CENTRED",
    "ADAQN_COSINE",
    "ADAQN_GAUSS_NEWTON",
    "ADAQN_MINSQN",
    "ADAQN_PER_TENSOR",
    "ADAQN_RESCALED",
    "ADAQN_ROUNDED",
    "ADAQN_SKETCHED",
    "ADAQN_STOCHQN",
    "ADAQN_STOCHQN_DIFFERENCE",
    "ADAQN_STOCHQN_RMSPROP",
    "ADAQN_TRUST",
    "ALL",
    "ASNAQ",
    "DAMPED_LBFGS",
    "DOBFGS",
    "DOLBFGS",
    "DOUBLE_DAMPED",
    "DSQN",
    "LRES",
    "MLBFGS",
    "MULTIBATCH_LBFGS",
    "OBFGS",
    "OBFGS_AGGREGATED",
    "OLBFGS",
    "OLBFGS_STOCHQN",
    "OLNAQ",
    "ONAQ",
    "RES",
    "SAMPLED_LBFGS",
    "SDBFGS",
    "SDLBFGS",
    "SOFT_LBFGS",
    "SQN",
    "SQN_AGGREGATED",
    "SQN_BY_DIFFERENCE",
    "SQN_STOCHQN",
    "SQN_STOCHQN_DIFFERENCE",
    "Evidence",
    "Named",
    "adaqn_centred",
    "adaqn_rescaled",
]
