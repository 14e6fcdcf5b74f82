"""What adaQN is compared with: first-order optimizers, and the second-order methods of the paper's context."""
