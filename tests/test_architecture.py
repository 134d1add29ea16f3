"""The direction of the dependencies, as pyproject.toml states it: no circles, no arrow upwards."""

import contextlib
import io
import pathlib

import tensorflow as tf
from importlinter import cli

ROOT = pathlib.Path(__file__).parents[1]


class ArchitectureTest(tf.test.TestCase):
    def test_every_contract_of_pyproject_is_kept(self):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            code = cli.lint_imports(str(ROOT / "pyproject.toml"), no_cache=True)
        self.assertEqual(code, 0, printed.getvalue())


if __name__ == "__main__":
    tf.test.main()
