"""A run seen from outside, by what its folder says: progress, status page, Weights & Biases."""
