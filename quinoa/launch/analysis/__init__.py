"""Runs compared: curves, scores, groups, plots, and what random actions score."""
