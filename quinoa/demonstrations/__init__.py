"""Demonstrations: episodes that somebody has acted, as datasets that agents learn from.

A dataset is named like an environment, `minari:ID`, `minari:FOLDER` or `run:RUN`, and is read and
written in the format of Minari (https://minari.farama.org), by its own library. Everything that is
read is checked against the task that is learned.
"""
