"""Everything about learning: algorithms, and what they share (learner, actors, replay)."""
