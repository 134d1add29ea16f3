"""TensorFlow's start-up lines are left out, what else is written is not; a stand-in for TensorFlow writes both."""

import os
import pathlib
import subprocess
import sys

import tensorflow as tf
from absl.testing import parameterized

ROOT = pathlib.Path(__file__).parents[1]

PREAMBLE = "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR"
DRIVERS = "I0000 00:00:1796009824.407856   10828 cudart_stub.cc:31] Could not find cuda drivers on your machine."
ONEDNN = "2026-11-30 04:50:01.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on."
PLACER = "W0000 00:00:1796009824.407856   10828 computation_placer.cc:177] computation placer already registered."
CUINIT = "E0000 00:00:1796009862.031008   10828 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)"
FATAL = "F0000 00:00:1796009862.031008   10828 cpu_feature_guard.cc:1] compiled to use AVX, which is not available"
OTHERS = "Information from elsewhere\nE. Coli.avi: 3] no log line"

_STAND_IN = """
import os

def say(*lines):
    os.write(2, ("\\n".join(lines) + "\\n").encode())

class config:
    def list_physical_devices():
        say({cuinit!r})

say({preamble!r}, {drivers!r}, {onednn!r}, {placer!r}, {others!r})
{more}
"""
_COMMAND = """
import sys
from absl import flags
from spl_tf import command

def main():
    import tensorflow
    print("the command's own", file=sys.stderr)
    tensorflow.say({drivers!r})

sys.exit(command.execute(main, flags.FlagValues(), "", ["prog"]))
"""


class QuietStartTest(parameterized.TestCase, tf.test.TestCase):
    def _lines(self, level=None, more=""):
        """Exit code and lines of standard error of a command that imports the stand-in."""
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "tensorflow").mkdir()
        lines = {"preamble": PREAMBLE, "drivers": DRIVERS, "onednn": ONEDNN, "placer": PLACER, "others": OTHERS}
        text = _STAND_IN.format(**lines, cuinit=CUINIT, more=more)
        (folder / "tensorflow" / "__init__.py").write_text(text)
        environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
        environment |= {"PYTHONPATH": f"{folder}:{ROOT}"} | ({"TF_CPP_MIN_LOG_LEVEL": level} if level else {})
        command = [sys.executable, "-c", _COMMAND.format(drivers=DRIVERS)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        return done.returncode, done.stderr.splitlines()

    def test_start_up_lines_are_left_out_and_others_are_not(self):
        expected = [*OTHERS.splitlines(), "the command's own", DRIVERS]  # The last comes after the start.
        errors = [CUINIT] * pathlib.Path("/proc/driver/nvidia/version").exists()
        self.assertEqual(self._lines(), (0, expected[:2] + errors + expected[2:]))

    @parameterized.parameters("0", "1")
    def test_who_asks_for_them_gets_them(self, level):
        code, lines = self._lines(level)
        expected = [PREAMBLE, DRIVERS, ONEDNN, PLACER, *OTHERS.splitlines(), "the command's own", DRIVERS]
        self.assertEqual((code, lines), (0, expected))

    def test_a_crash_still_says_why(self):
        code, lines = self._lines(more=f"say({FATAL!r}); os.abort()")
        self.assertLess(code, 0)
        self.assertIn(FATAL, lines)

    def test_an_import_that_fails_fails_as_ever(self):
        code, lines = self._lines(more="raise ImportError('no such thing')")
        self.assertEqual(code, 1)
        self.assertEqual(lines[-1], "ImportError: no such thing")

    def test_a_command_starts_without_a_line(self):
        environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
        command = [sys.executable, "-m", "spl_tf.train", "--gin_file=nowhere.gin", "--model_dir=m"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertLen(done.stderr.splitlines(), 1, done.stderr)

    @parameterized.parameters((None, "1"), ("0", "0"))
    def test_onednn_is_on_unless_the_environment_says_otherwise(self, given, expected):
        environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
        environment |= {"TF_ENABLE_ONEDNN_OPTS": given} if given else {}
        command = [sys.executable, "-c", "import os, spl_tf; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.strip(), expected)


if __name__ == "__main__":
    tf.test.main()
