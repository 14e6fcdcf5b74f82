"""Compiled kernels for the CPU: an option, never required.

    import adaqn_lab
    adaqn_lab.kernels.load()      # compiles at the first call on a machine, 20 to 60 seconds; then a file is opened

After it the direction and the products with stored rows of every optimizer in the process run in one C++ call each,
on torch's own threads, where the tensors are on the CPU and contiguous. The results agree with the plain torch
form to rounding; they do not depend on the number of threads. Without it nothing is compiled and nothing is lost
but time.
"""

from adaqn_lab.kernels.loading import disabled, load, loaded, serve, unload

__all__ = ["disabled", "load", "loaded", "serve", "unload"]
