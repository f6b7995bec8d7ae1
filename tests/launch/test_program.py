from __future__ import annotations

import cloudpickle

from quinoa.launch import program
from quinoa.launch.engines import executables
from quinoa.launch.nodes.addresses import FixedAddresses
from quinoa.launch.nodes.topology import KINDS, SERVICES
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import experiment


def test_a_program_has_nodes_of_every_role_and_each_can_be_sent_to_a_process(tmp_path):
    addresses = FixedAddresses({role: f"localhost:{7000 + i}" for i, role in enumerate(SERVICES)})
    described = program.make_program(experiment(num_actors=3), RunFolder(tmp_path), addresses)
    assert list(described.groups) == list(KINDS)
    written = executables.write(described, tmp_path)
    assert [node.name for node in written if node.role == Role.ACTOR] == [
        "actor-0",
        "actor-1",
        "actor-2",
    ]
    assert len({node.file for node in written}) == len(written) == 7
    for node in written:
        (function,) = cloudpickle.loads(node.file.read_bytes())
        assert callable(function)


def test_a_courier_server_listens_where_the_addresses_say_when_it_starts(tmp_path):
    class Asked:
        def __init__(self) -> None:
            self.port = 1

        def address_of(self, role: Role) -> str:
            return f"{role}:{self.port}"

    addresses = Asked()
    described = program.make_program(experiment(), RunFolder(tmp_path), addresses)
    ((learner,), (counter,)) = (described.groups[r] for r in (Role.LEARNER, Role.COUNTER))
    assert learner.courier_address.resolve() == "learner:1"
    addresses.port = 2
    assert learner.courier_address.resolve() == "learner:2"
    assert counter.courier_address.resolve() == "counter:2"
