import csv
import io
import json

from quinoa.launch.run.roles import Role, node_name


def test_a_role_is_written_as_its_value_everywhere():
    text = io.StringIO()
    csv.writer(text).writerow([Role.ACTOR])
    assert text.getvalue().strip() == str(Role.ACTOR) == f"{Role.ACTOR}" == "actor"
    assert json.dumps({Role.ACTOR: Role.LEARNER}) == '{"actor": "learner"}'
    assert {"actor": 1}[Role.ACTOR] == 1
    assert f"{Role.ACTOR:>7}" == "  actor"


def test_a_node_is_named_by_its_role_and_number():
    assert node_name(Role.ACTOR, 3) == "actor-3"
    assert node_name(Role.LEARNER) == "learner-0"
