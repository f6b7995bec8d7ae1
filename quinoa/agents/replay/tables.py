"""The Reverb table of the segments, and the limits on how fast each side may go.

Every transition is to be sampled `samples_per_insert` times on average. Reverb counts items,
not transitions, and blocks whichever side is ahead. It keeps account of the error

    error = s · (items inserted) − (items sampled),        s = samples per insert, in items,

which must stay between two bounds around e₀ = s · (least items to sample from): the learner owes
nothing for what was inserted before it could begin. An insertion waits while it would lift the
error above the upper bound, a sample while it would take it below the lower one.

**Rate.** A superbatch of K·B transitions is drawn from S = ⌈K·B / L⌉ segments, and the S·L − K·B
rows that are left over are dropped. So s = samples_per_insert · S·L / (K·B), and what the learner
trains on, rather than what it draws, has the ratio that was asked for.

**Lower bound** e₀ − (S + F + s). Ahead of the learner, the dataset keeps one superbatch, ready or
being filled, and at most F segments on their way to it (see `superbatches`). So the learner can
draw, from the moment that it may begin (error e₀), its first superbatch and all that is on the way
behind it without waiting for another insertion.

**Upper bound** e₀ + s. Where insertions wait, the error is above e₀, and the learner can draw
S + F + s − 1 segments before it waits too: at least the whole superbatch that it is filling. Where
the learner waits, the error is below e₀ − S − F − s + 1, and an insertion (+ s) is allowed, as
S + F ≥ 1. Never do both wait, so there is no deadlock, however large K is.

**How exact.** Of the segments drawn, up to S + F are not used yet. So the segments used are within
S + F + s of s · (inserted − least), either way; in transitions,

    (S + F) · L + s · L  ≈  1.25 · K·B + samples_per_insert · L.

With K·B = 12800, L = 16 and 64 samples an insert, that is 10 % of what the first 2,700 transitions
after `min_replay_size` allow, and 0.3 % in a run of 100,000.
"""

from __future__ import annotations

import math
from typing import Any

import reverb
import tensorflow as tf

from quinoa.agents.config import OffPolicyConfig
from quinoa.agents.replay import planes
from quinoa.agents.replay.items import TABLE
from quinoa.agents.rows import RowLayout


def segments_per_superbatch(config: OffPolicyConfig, steps_per_call: int) -> int:
    """S, the segments that K·B transitions are drawn from."""
    return math.ceil(steps_per_call * config.batch_size / config.segment_length)


def max_in_flight_segments(config: OffPolicyConfig, steps_per_call: int) -> int:
    """F, the most segments that Reverb may be sending while others are being decoded."""
    return math.ceil(segments_per_superbatch(config, steps_per_call) / 4)


def make_table(
    config: OffPolicyConfig,
    layout: RowLayout,
    *,
    samples_per_insert: float,
    steps_per_call: int,
) -> reverb.Table:
    """Makes the table: uniform selection, first-in first-out removal, rates as explained above.

    Args:
        config: the agent's configuration.
        layout: of the rows.
        samples_per_insert: how often each transition is trained on, on average; 0 limits neither
            side but for `min_replay_size`.
        steps_per_call: K, the gradient steps that one superbatch is for.
    """
    length = config.segment_length
    min_size = math.ceil(config.min_replay_size / length)
    if samples_per_insert:
        drawn = segments_per_superbatch(config, steps_per_call)
        rate = samples_per_insert * drawn * length / (steps_per_call * config.batch_size)
        start = rate * min_size
        ahead = drawn + max_in_flight_segments(config, steps_per_call)
        limiter = reverb.rate_limiters.SampleToInsertRatio(
            samples_per_insert=rate,
            min_size_to_sample=min_size,
            error_buffer=(start - ahead - rate, start + rate),
        )
    else:
        limiter = reverb.rate_limiters.MinSize(min_size)
    return reverb.Table(
        name=TABLE,
        sampler=reverb.selectors.Uniform(),
        remover=reverb.selectors.Fifo(),
        max_size=math.ceil(config.max_replay_size / length),
        max_times_sampled=0,
        rate_limiter=limiter,
        signature=signature(layout, length),
    )


def signature(layout: RowLayout, segment_length: int) -> Any:
    """What an item of a segment of length L is: its rows; of images, rows and blocks of planes."""
    shared = planes.of(layout, segment_length)
    if shared is None:
        return tf.TensorSpec([segment_length, layout.width], layout.dtype)
    return (
        tf.TensorSpec([segment_length, shared.width], tf.uint8),
        tf.TensorSpec([None, *shared.block_shape], tf.uint8),
    )
