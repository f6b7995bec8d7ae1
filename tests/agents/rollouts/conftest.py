from tests.agents.replay.conftest import no_thread_is_left as no_thread_is_left
