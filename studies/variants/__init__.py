"""What is compared: methods under their names, and the design choices of adaQN, one question a file."""
