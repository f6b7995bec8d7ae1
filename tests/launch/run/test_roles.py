import csv
import io
import json

from quinoa.launch.run.roles import Role


def test_a_role_is_written_as_its_value_everywhere():
    text = io.StringIO()
    csv.writer(text).writerow([Role.ACTOR])
    assert text.getvalue().strip() == str(Role.ACTOR) == f"{Role.ACTOR}" == "actor"
    assert json.dumps({Role.ACTOR: Role.LEARNER}) == '{"actor": "learner"}'
    assert {"actor": 1}[Role.ACTOR] == 1
    assert f"{Role.ACTOR:>7}" == "  actor"
