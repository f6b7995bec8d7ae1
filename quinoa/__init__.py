"""Distributed reinforcement learning with policies that are their own Q-functions."""
