"""A command's Keras goes without scikit-learn and pyplot, the command itself does not."""

import subprocess
import sys

import tensorflow as tf

_COMMAND = """
import sys
from absl import flags
from spl_tf import command

def main():
    import keras
    print(sorted({"sklearn", "matplotlib.pyplot"} & sys.modules.keys()))
    keras.Sequential([keras.layers.Dense(2)])(keras.ops.ones((1, 3)))
    import matplotlib.pyplot
    try:
        import sklearn
    except ModuleNotFoundError as error:
        assert "not for Keras" not in str(error)  # It is not installed.
    print("matplotlib.pyplot" in sys.modules)

sys.exit(command.execute(main, flags.FlagValues(), "", ["prog"]))
"""


class LightStartTest(tf.test.TestCase):
    def test_keras_goes_without_them_and_others_do_not(self):
        done = subprocess.run([sys.executable, "-c", _COMMAND], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout.split("\n")), (0, ["[]", "True", ""]), done.stderr)


if __name__ == "__main__":
    tf.test.main()
