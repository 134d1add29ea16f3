"""The direction of the dependencies, as pyproject.toml states it: no circles, no arrow upwards."""

import pathlib
import subprocess
import sys

import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[1]


class ArchitectureTest(tf.test.TestCase):
    def test_every_contract_of_pyproject_is_kept(self):
        # In a process of its own: import-linter turns off all loggers that there are.
        program = "from importlinter import cli; raise SystemExit(cli.lint_imports(no_cache=True))"
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("0 broken", done.stdout)


if __name__ == "__main__":
    tf.test.main()
