from __future__ import annotations

import re

from quinoa.launch.metrics import tensorboard_names
from quinoa.launch.metrics.metrics_log import MetricsLog
from quinoa.launch.run.run_folder import RunFolder

TIMES = {"wall_time": 1e9, "actor_steps": 10, "learner_steps": 5}
LEARNER = {
    "steps_per_second": 1.0,
    "replay_size": 2,
    "entropy": 3.0,
    "value": 4.0,
    "td_error": 4.5,
    "loss/critic": 5.0,
    "loss/policy": 5.5,
    "gradient_norm/critic": 6.0,
}


def test_what_an_agent_measures_is_grouped_by_its_name():
    groups = {name: tensorboard_names.tag("learner", name) for name in LEARNER}
    assert groups == {
        "steps_per_second": "throughput/learner_steps_per_second",
        "replay_size": "system/replay_size",
        "entropy": "policy/entropy",
        "value": "value/value",
        "td_error": "value/td_error",
        "loss/critic": "loss/loss/critic",
        "loss/policy": "loss/loss/policy",
        "gradient_norm/critic": "loss/gradient_norm/critic",
    }
    for name in ("kl", "alpha", "quantity", "valueless", "temperature"):
        assert tensorboard_names.tag("learner", name) == f"policy/{name}"
    for name in ("q", "q1", "q_mean", "target_value", "critic/1"):
        assert tensorboard_names.tag("learner", name) == f"value/{name}"


def test_an_actors_number_is_not_drawn_and_no_two_columns_share_a_tag():
    assert tensorboard_names.tag("actor", "actor") is None
    columns = ("episode_return", "episode_length", "episodes", "dropped_episodes")
    tags = [
        tensorboard_names.tag(role, column) for role in ("actor", "evaluator") for column in columns
    ]
    assert len(set(tags)) == len(tags)
    assert tensorboard_names.tag("supervisor", "restarts") == "system/restarts"


def test_tensorboard_reads_the_layout_and_finds_each_of_its_tags(tmp_path):
    """By TensorBoard's own reader and the code of its plug-in."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.custom_scalar import layout_pb2, metadata

    folder = RunFolder(tmp_path)
    log = MetricsLog(folder)
    for step in (10, 20):
        log.write("learner", {**TIMES, "actor_steps": step, **LEARNER, "waiting": None})
    log.close()
    events = EventAccumulator(str(folder.tensorboard))
    events.Reload()
    (tag,) = events.PluginTagToContent(metadata.PLUGIN_NAME)
    (event,) = events.Tensors(tag)
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    titles = [category.title for category in layout.category]
    assert titles == sorted(titles)
    assert [title.split(":")[0][3:] for title in titles] == [
        "Learning",
        "Policy",
        "Value and loss",
        "Throughput",
        "System",
    ]
    patterns = [
        pattern
        for category in layout.category
        for chart in category.chart
        for pattern in chart.multiline.tag
    ]
    written = events.Tags()["scalars"]
    assert set(written) == {tensorboard_names.tag("learner", name) for name in LEARNER}
    for scalar in written:
        # As the plug-in looks for them.
        assert sum(bool(re.match(pattern, scalar)) for pattern in patterns) == 1, scalar
    (margin,) = layout.category[0].chart[0].margin.series
    assert margin.value == tensorboard_names.tag("evaluator", "episode_return")
    assert margin.lower == tensorboard_names.tag("evaluator", "episode_return_min")
    assert margin.upper == tensorboard_names.tag("evaluator", "episode_return_max")
