import subprocess
import sys

PROGRAM = """
import sys
from quinoa.launch.machine import lean_imports
lean_imports.import_tensorflow()
names = ("jax", "pandas", "h5py", "PIL")
assert not [name for name in names if name in sys.modules]
import jax, pandas, h5py, PIL
import tensorflow as tf
assert float(tf.reduce_sum(tf.ones([3]))) == 3
assert pandas.DataFrame({"x": [1]}).x[0] == 1
"""


def test_tensorflow_is_there_and_the_others_can_be_imported_later():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=120)
