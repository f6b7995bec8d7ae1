"""Checkpoints, whole or absent: of the learner, and of what replay holds."""
