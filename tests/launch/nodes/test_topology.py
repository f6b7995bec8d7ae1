from __future__ import annotations

import pytest

from quinoa.launch.nodes.topology import KINDS, SERVICES, NodeKind, stop_order
from quinoa.launch.run.roles import Role


def test_nodes_stop_before_those_that_they_call():
    assert stop_order() == (
        (Role.ACTOR, Role.EVALUATOR),
        (Role.LEARNER,),
        (Role.REPLAY, Role.COUNTER),
    )


def test_nodes_that_call_one_another_have_no_order():
    circle = [
        NodeKind(Role.ACTOR, calls=(Role.LEARNER,)),
        NodeKind(Role.LEARNER, calls=(Role.ACTOR,)),
    ]
    with pytest.raises(ValueError, match="in a circle: actor, learner"):
        stop_order([*circle, NodeKind(Role.COUNTER)])


def test_each_role_that_has_nodes_is_known():
    assert set(KINDS) == set(Role) - {Role.SUPERVISOR}
    assert set(SERVICES) == {Role.REPLAY, Role.COUNTER, Role.LEARNER}
