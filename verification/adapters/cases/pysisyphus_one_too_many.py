"""`lbfgs_closure(M=...)` takes its direction from M + 1 pairs.

The new pair is added, the direction computed, and only then the oldest pair dropped. It costs nothing but the pair;
who compares with an L-BFGS of M pairs sees other steps from step M + 1 on.
"""

import numpy as np
from pysisyphus.optimizers import closures

used = []
multiply = closures.bfgs_multiply
closures.bfgs_multiply = lambda S, *rest, **options: used.append(len(S)) or multiply(S, *rest, **options)
step = closures.lbfgs_closure(lambda x: -np.array([1.0, 3.0, 9.0]) * x, M=2)
x = np.ones(3)
for _ in range(5):
    x = x + 0.1 * step(x)[0]
print("pairs in each direction with M = 2:", used)
