"""How target networks follow their online networks."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import tensorflow as tf

from quinoa.agents import graphs

Variables = Sequence[tf.Variable]


# AutoGraph, which has nothing to convert here, knows no strict zip.
@tf.autograph.experimental.do_not_convert
def copy(online: Variables, target: Variables) -> None:
    """Sets each target to its online variable; raises `ValueError` on another number of them."""
    for source, destination in zip(online, target, strict=True):
        destination.assign(source)


@tf.autograph.experimental.do_not_convert
def smooth(online: Variables, target: Variables, rate: float | tf.Tensor) -> None:
    """Moves each target by `rate` of the way: θ̄ ← (1 − rate) θ̄ + rate θ (IQ paper, section 6).

    Args:
        online: the variables to follow, θ.
        target: those that follow, θ̄, as many and of the same shapes; raises `ValueError`
            otherwise.
        rate: in [0, 1].
    """
    for source, destination in zip(online, target, strict=True):
        destination.assign_add(rate * (source - destination))


def periodic(online: Variables, target: Variables, period: int, step: tf.Tensor) -> tf.Tensor:
    """Copies when `step` is a multiple of `period` (Algorithm 2, line 8, of the Quinoa paper).

    Args:
        online: the variables to copy.
        target: those that they are copied to, as many and of the same shapes.
        period: in gradient steps, at least 1.
        step: integer [], the number of gradient steps done.

    Returns:
        bool [], whether this step copied.
    """
    due = tf.equal(tf.math.floormod(step, period), 0)

    graphs.do_if(due, functools.partial(copy, online, target))
    return due


def follow(online: Variables, target: Variables, rate: float, period: int, step: tf.Tensor) -> None:
    """Moves each target smoothly at every step, or copies once in a period where there is one.

    Args:
        online: the variables to follow.
        target: those that follow; see `smooth` and `periodic`.
        rate: of `smooth`, used where `period` is 0.
        period: of `periodic`, or 0.
        step: integer [], the number of gradient steps done.
    """
    if period:
        periodic(online, target, period, step)
    else:
        smooth(online, target, rate)
