import sys

from tests.launch.helpers import nodes_of, started, wait_until

FORKS = "import os, time; os.fork(); time.sleep(60)"


def test_what_a_node_has_forked_is_no_node_of_the_run_while_the_node_is_there(tmp_path):
    command = [sys.executable, "-c", FORKS, f"--error_file={tmp_path}/actor-0.error"]
    with started(command) as node:
        assert wait_until(lambda: any(of.children() for of in nodes_of(tmp_path)))
        (found,) = nodes_of(tmp_path)
        assert found.pid == node.pid
        (child,) = found.children()
        node.kill()
        node.wait()
        # It has outlived its node, which a test of an engine's end must see.
        assert nodes_of(tmp_path) == [child]
        child.kill()
