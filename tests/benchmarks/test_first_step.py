import os
import subprocess
import sys
import time

from benchmarks import first_step


def test_the_first_step_of_a_process_is_noted_and_no_other(tmp_path):
    environment = first_step.make(0, folder=str(tmp_path))
    environment.reset()
    assert first_step.noted(tmp_path, os.getpid()) is None
    action = environment.action_spec().generate_value()
    environment.step(action)
    noted = first_step.noted(tmp_path, os.getpid())
    assert noted is not None
    assert noted <= first_step.seconds_since_start()
    environment.step(action)
    assert first_step.noted(tmp_path, os.getpid()) == noted
    assert len(list(tmp_path.iterdir())) == 1


def test_seconds_count_from_the_start_of_the_process():
    code = (
        "import time; from benchmarks import first_step; time.sleep(0.5);"
        "print(first_step.seconds_since_start())"
    )
    start = time.monotonic()
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    # The kernel counts in hundredths.
    assert 0.49 <= float(printed) <= time.monotonic() - start + 0.02
