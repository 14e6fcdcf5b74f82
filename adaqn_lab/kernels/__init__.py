"""Kernels: an option, never required.

    import adaqn_lab
    adaqn_lab.kernels.load()          # CPU: compiles at the first call on a machine, 20 to 60 seconds
    adaqn_lab.kernels.load("cuda")    # GPU: Triton compiles at the first step

After it the direction and the products with stored rows of every optimizer in the process run on the CPU in one C++
call each, on torch's own threads, and on a GPU in one or three launches and a few operators on small matrices, where
the tensors are contiguous. On the CPU, what a step does to single vectors (is it finite? store it; add to the window's
sum and descend) also is one pass each. The results agree with the plain torch form to rounding; they do not depend on
the number of threads. Without it nothing is compiled and nothing is lost but time.

The Triton kernels are tested by Triton's interpreter and compiled for sm_90, which needs no GPU; on a GPU they have not
been run yet.
"""

from adaqn_lab.kernels.loading import disabled, load, loaded, passing, serving, unload

__all__ = ["disabled", "load", "loaded", "passing", "serving", "unload"]
