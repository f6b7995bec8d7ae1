import subprocess
import sys

PROGRAM = """
import gc, sys
from quinoa.launch.machine import lean_imports
passes = []
gc.callbacks.append(lambda phase, about: passes.append(about["generation"]))
lean_imports.import_tensorflow()
assert len(passes) < 20, "The garbage collector is not to work while TensorFlow is imported."
assert gc.isenabled()
assert gc.get_freeze_count() > 100_000
names = ("jax", "pandas", "h5py", "PIL")
assert not [name for name in names if name in sys.modules]
import jax, pandas, h5py, PIL
import tensorflow as tf
assert float(tf.reduce_sum(tf.ones([3]))) == 3
assert pandas.DataFrame({"x": [1]}).x[0] == 1
"""


def test_tensorflow_is_there_and_the_others_can_be_imported_later():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=120)
