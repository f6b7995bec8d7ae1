"""Experiments: what to run, as one Launchpad program, and the engines that run it.

Nothing here knows any agent by name, and nothing in `agents` or `environments` knows this package.
"""
