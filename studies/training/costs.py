"""What an evaluation costs, in gradients of the same batch."""

from adaqn_lab import Need

LOSS_COST = 0.5
"""A loss without its gradient."""
PRODUCT_COST = 2.0
"""A product with a Hessian or Gauss-Newton matrix."""
PRODUCTS = frozenset({Need.HESSIAN_VECTOR_PRODUCT, Need.GAUSS_NEWTON_PRODUCT})
