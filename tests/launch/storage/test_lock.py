from __future__ import annotations

import contextlib
import threading
import time

from quinoa.launch.storage import lock


def test_a_folder_is_waited_for_until_it_is_free(tmp_path):
    def release() -> None:
        time.sleep(0.5)
        released.set()
        in_use.close()

    in_use = contextlib.ExitStack()
    in_use.enter_context(lock.locked(tmp_path, "in use"))
    released = threading.Event()
    assert not lock.wait_until_free(tmp_path, 0.1)
    thread = threading.Thread(target=release)
    thread.start()
    assert lock.wait_until_free(tmp_path, 30.0)
    assert released.is_set()
    thread.join()
    # Nor is it locked by having waited for it.
    assert lock.wait_until_free(tmp_path, 0.0)
