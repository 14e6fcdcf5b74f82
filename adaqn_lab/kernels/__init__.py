"""Kernels: an option, never required.

    import adaqn_lab
    adaqn_lab.kernels.load()          # CPU: compiles at the first call on a machine, 20 to 60 seconds
    adaqn_lab.kernels.load("cuda")    # GPU: Triton compiles at the first step

After it the operators of every optimizer in the process (:mod:`adaqn_lab.operators`) run on the CPU in one C++ call
each, on torch's own threads, and on a GPU the direction and the products with stored rows in one or three launches and
a few operators on small matrices. The results agree with the plain torch form to rounding; they do not depend on the
number of threads. Without it nothing is compiled and nothing is lost but time; docs/speed.md says how much.
"""

from adaqn_lab.kernels.loading import disabled, load, loaded, unload

__all__ = ["disabled", "load", "loaded", "unload"]
