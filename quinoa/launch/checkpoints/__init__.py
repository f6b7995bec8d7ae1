"""Checkpoints of the learner and of replay, written atomically and verified when read."""
