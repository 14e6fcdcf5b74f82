"""The convex showcase: every recipe on regularised logistic regression, against the optimum of L-BFGS-B."""
