"""The convex showcase: every recipe on regularised logistic regression, against the optimum of L-BFGS-B."""

from studies.commands.convex import Showcase, showcase

__all__ = ["Showcase", "showcase"]
