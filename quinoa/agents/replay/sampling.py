"""Items of a Reverb server's table as a dataset of TensorFlow, until that is told to end."""

from __future__ import annotations

from typing import Any

import reverb
import tensorflow as tf

from quinoa.agents.replay.items import TABLE

# How long the sampler waits for the rate limiter before it looks whether it shall stop.
_TIMEOUT_MS = 250
# AutoGraph would rewrite what datasets call, for three tenths of a second, and change nothing.
AS_IT_IS = tf.autograph.experimental.do_not_convert


def samples_until(
    stopped: tf.Variable, server_address: str, signature: Any, *, max_in_flight: int
) -> tf.data.Dataset:
    """Samples items one after the other, by one thread.

    Args:
        stopped: bool []; when it is true, the dataset ends, within a quarter of a second.
        server_address: of the Reverb server, "host:port".
        signature: of the table: `tf.TensorSpec`s, nested as an item is.
        max_in_flight: the most items that are on their way at a time. Of several that are asked
            for at once, those that were taken are lost if the rate limiter lets too few pass for a
            quarter of a second; which matters where the table has each item once.
    """

    @AS_IT_IS
    def going_on(_: tf.Tensor) -> tf.Tensor:
        return tf.logical_not(stopped)

    @AS_IT_IS
    def sample_until_timeout(_: tf.Tensor) -> tf.data.Dataset:
        return reverb.TrajectoryDataset(
            server_address,
            TABLE,
            dtypes=tf.nest.map_structure(lambda of: of.dtype, signature),
            shapes=tf.nest.map_structure(lambda of: of.shape, signature),
            max_in_flight_samples_per_worker=max_in_flight,
            num_workers_per_iterator=1,
            rate_limiter_timeout_ms=_TIMEOUT_MS,
        ).map(AS_IT_IS(lambda sample: sample.data))

    # A wait for the rate limiter that outlasts its timeout ends only the innermost dataset; what
    # `batch` has gathered by then stays, and the next one fills it up. To look whether to stop at
    # every sample would double the cost of a superbatch.
    dataset = tf.data.Dataset.counter().take_while(going_on).flat_map(sample_until_timeout)
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    return dataset.with_options(options)
