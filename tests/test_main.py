"""`spl_tf COMMAND` is `python -m spl_tf.COMMAND`; the list of commands is complete, and quick."""

import configparser
import pathlib
import subprocess
import sys

import tensorflow as tf
from absl.testing import parameterized

import spl_tf
from spl_tf.__main__ import COMMANDS

ROOT = pathlib.Path(__file__).parents[1]


def _run(*arguments, module="spl_tf"):
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )


class MainTest(parameterized.TestCase, tf.test.TestCase):
    def test_every_command_is_listed(self):
        modules = {path.stem for path in (ROOT / "spl_tf").glob("*.py") if "command.run(main" in path.read_text()}
        self.assertEqual(set(COMMANDS), modules)

    @parameterized.parameters((), ("--help",))
    def test_the_list_has_a_line_for_each(self, *arguments):
        done = _run(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in COMMANDS:
            manual = (ROOT / "spl_tf" / f"{name}.py").read_text().removeprefix('"""').splitlines()[0]
            self.assertRegex(done.stdout, rf"(?m)^  {name} +{manual}$")

    def test_nothing_heavy_is_imported_for_the_list(self):
        program = (
            "import runpy, sys\nsys.argv = ['spl_tf']\n"
            "try:\n    runpy.run_module('spl_tf', run_name='__main__')\nexcept SystemExit:\n    pass\n"
            "sys.exit(str({'tensorflow', 'keras', 'numpy', 'gin', 'absl'} & set(sys.modules) or '') or 0)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_mistyped_command_is_refused_with_the_nearest(self):
        done = _run("trian", "--gin_file=demo.gin")
        self.assertEqual(
            (done.returncode, done.stderr),
            (2, "spl_tf: no command 'trian' (did you mean 'train'?); spl_tf --help lists them\n"),
        )

    @parameterized.parameters(("train", "--help"), ("shard", "--clip_seconds=x"), ("label",), ("settings", "epocs"))
    def test_a_command_runs_as_by_its_own_module(self, name, *arguments):
        ours, theirs = _run(name, *arguments), _run(*arguments, module=f"spl_tf.{name}")
        self.assertEqual((ours.returncode, ours.stdout, ours.stderr), (theirs.returncode, theirs.stdout, theirs.stderr))

    def test_all_know_their_version(self):
        expected = f"spl_tf {spl_tf.__version__}\n"
        self.assertEqual(_run("--version").stdout, expected)
        for name in COMMANDS:
            self.assertEqual(_run("--version", module=f"spl_tf.{name}").stdout, expected)

    def test_the_console_script_is_this(self):
        setup = configparser.ConfigParser()
        setup.read(ROOT / "setup.cfg")
        self.assertEqual(setup["options.entry_points"]["console_scripts"].strip(), "spl_tf = spl_tf.__main__:main")


if __name__ == "__main__":
    tf.test.main()
