"""Exit codes and messages of the frame all commands run in."""

import contextlib
import errno
import importlib
import io
import os
import pathlib
import signal
import subprocess
import sys
import time
from unittest import mock

import gin
import tensorflow as tf
from absl import flags
from absl.testing import parameterized

from spl_tf import __version__, command
from spl_tf.__main__ import COMMANDS
from spl_tf.errors import Terminated, UserError


def _call(main, *arguments, flag_values=None):
    """(exit code, standard error) of a command."""
    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(io.StringIO()):
        code = command.execute(main, flag_values or _flag_values(), "A manual.", ["prog", *arguments])
    return code, stderr.getvalue()


def _flag_values():
    values = flags.FlagValues()
    flags.DEFINE_integer("number", 1, "A number.", flag_values=values)
    return values


def _raise(error):
    def main():
        raise error

    return main


class ExecuteTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self._hook = sys.unraisablehook

    def test_success_is_0_and_a_failed_check_keeps_its_code(self):
        self.assertEqual(_call(lambda: None), (0, ""))
        self.assertEqual(_call(lambda: 1), (1, ""))

    @parameterized.parameters(
        (UserError("web.csv:\n no column"), 2, "spl_tf: web.csv: no column\n"),
        (OSError(errno.ENOSPC, "No space", "/x/y"), 2, "spl_tf: the disk is full: /x/y\n"),
        (OSError(errno.EACCES, "Permission denied", "/x/y"), 2, "spl_tf: permission denied: /x/y\n"),
        (OSError(errno.ENOENT, "No such file", "/x/y"), 2, "spl_tf: no such file or folder: /x/y\n"),
        (OSError(errno.EFBIG, "File too large", "/x"), 2, "spl_tf: the file is larger than the system allows: /x\n"),
        (Terminated("stopped at step 3"), 143, "spl_tf: stopped at step 3\n"),
    )
    def test_known_errors_are_one_line(self, error, code, message):
        self.assertEqual(_call(_raise(error)), (code, message))

    def test_a_full_disk_is_known_from_within_a_configurable_and_from_tensorflow(self):
        configurable = gin.external_configurable(_raise(OSError(errno.ENOSPC, "No space", "/x/y")), "writes_too_much")
        self.assertEqual(_call(configurable), (2, "spl_tf: the disk is full: /x/y\n"))
        error = tf.errors.ResourceExhaustedError(None, None, "/x/variables; No space left on device\nand more")
        self.assertEqual(_call(_raise(error)), (2, "spl_tf: the disk is full: /x/variables; No space left on device\n"))

    def test_a_defect_of_ours_keeps_its_traceback(self):
        with self.assertRaises(ZeroDivisionError):
            _call(lambda: 1 / 0)

    def test_mistyped_flags_and_stray_arguments_are_refused(self):
        code, message = _call(lambda: None, "--nmber=3")
        self.assertEqual(code, 2)
        self.assertRegex(message, "nmber.*number")
        code, message = _call(lambda: None, "number=3")
        self.assertEqual(code, 2)
        self.assertIn("'number=3'", message)

    def test_missing_flags_are_named_in_a_few_words(self):
        values = _flag_values()
        for name in ("model_dir", "shards"):
            flags.DEFINE_string(name, None, "A folder.", flag_values=values)
        flags.mark_flags_as_required(["model_dir", "shards"], flag_values=values)
        self.assertEqual(
            _call(lambda: None, flag_values=values), (2, "spl_tf: --model_dir --shards missing, see --help\n")
        )
        self.assertEqual(
            _call(lambda: None, "--shards=s", flag_values=values), (2, "spl_tf: --model_dir missing, see --help\n")
        )

    def test_an_argument_without_dashes_is_taken_where_a_command_has_one(self):
        values = _flag_values()
        flags.DEFINE_string("name", None, "A name.", flag_values=values)
        for arguments, expected in ((["epochs"], "epochs"), (["--name=a"], "a"), ([], None)):
            found = []
            code = command.execute(lambda: found.append(values.name), values, "", ["prog", *arguments], "name")  # noqa: B023
            self.assertEqual((code, found), (0, [expected]))
        for arguments in (["a", "b"], ["--name=a", "b"]):
            stderr = io.StringIO()
            with contextlib.redirect_stderr(stderr):
                self.assertEqual(command.execute(lambda: None, values, "", ["prog", *arguments], "name"), 2)
            self.assertIn("unexpected argument 'b'", stderr.getvalue())

    def test_version_comes_before_all_else(self):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = command.execute(_raise(ZeroDivisionError()), _flag_values(), "", ["prog", "--x", "--version"])
        self.assertEqual((code, printed.getvalue()), (0, f"spl_tf {__version__}\n"))

    def test_what_the_command_line_overrides_is_told(self):
        values = flags.FlagValues()
        command.define_gin_flags(values)
        arguments = ["--gin_file=demo.gin", "--gin_param=train_stage.epochs = 1"]
        code, printed = _call(lambda: command.parse_gin(values), *arguments, flag_values=values)
        self.assertEqual(code, 0)
        self.assertRegex(
            printed, "^gin: train_stage.epochs = 1 holds for every stage, instead of teacher/.* = 30, .*\n$"
        )

    def test_a_module_that_the_command_line_names_may_be_named_in_gin_files(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        source = "import gin\n@gin.configurable\ndef loss_of_{0}(labels, logits, epochs):\n    return labels\n"
        (folder / "mine_for_gin.py").write_text(source.format("mine"))
        (folder / "mine.gin").write_text("train_stage.loss = @loss_of_mine\n")
        self.enter_context(mock.patch.object(sys, "path", [str(folder), *sys.path]))
        values = flags.FlagValues()
        command.define_gin_flags(values)
        for arguments, code, said in (
            ([], 2, "No configurable matching .*loss_of_mine"),
            (["--gin_import=nothing_of_mine"], 2, "--gin_import=nothing_of_mine: No module named .*PYTHONPATH"),
            (["--gin_import=mine_for_gin"], 0, "^$"),
        ):
            found, printed = _call(
                lambda: command.parse_gin(values), f"--gin_file={folder / 'mine.gin'}", *arguments, flag_values=values
            )
            self.assertEqual(found, code, printed)
            self.assertRegex(printed, said)

    def test_a_second_call_starts_from_the_defaults(self):
        values = _flag_values()
        seen = []
        for arguments in (["--number=5"], []):
            _call(lambda: seen.append(values.number), *arguments, flag_values=values)
        self.assertEqual(seen, [5, 1])

    @parameterized.parameters((signal.SIGTERM, 143), (signal.SIGINT, 130))
    def test_a_signal_that_comes_during_a_destructor_is_not_lost(self, number, code):
        """TensorFlow's functions have destructors, and Python drops what is raised in one."""

        class Dying:
            def __del__(self):
                os.kill(os.getpid(), number)
                sum(range(1000))  # The handler runs here.

        def main():
            Dying()
            time.sleep(30)

        # A shell starts what it runs in the background with SIGINT ignored.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))
        self.assertEqual(_call(main)[0], code)

    def test_what_else_goes_wrong_in_a_destructor_is_reported_as_ever(self):
        class Broken:
            def __del__(self):
                raise ZeroDivisionError

        _, printed = _call(lambda: Broken() and None)
        self.assertIn("ZeroDivisionError", printed)
        self.assertIs(sys.unraisablehook, self._hook)

    def test_sigterm_ends_a_command_with_143(self):
        code, _ = _call(lambda: os.kill(os.getpid(), signal.SIGTERM))
        self.assertEqual(code, 143)

    @parameterized.parameters(*COMMANDS)
    def test_help_is_the_manual_and_needs_no_tensorflow(self, name):
        program = (
            "import runpy, sys\n"
            f"sys.argv = ['{name}', '--help']\n"
            "try:\n"
            f"    runpy.run_module('spl_tf.{name}', run_name='__main__')\n"
            "except SystemExit as exit:\n"
            "    heavy = {'tensorflow', 'keras', 'numpy', 'cv2', 'pyarrow', 'matplotlib'} & set(sys.modules)\n"
            "    sys.exit(f'imported {heavy}' if heavy else exit.code)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        manual = importlib.import_module(f"spl_tf.{name}").__doc__.strip()
        self.assertIn(f"python -m spl_tf.{name}", manual)
        self.assertIn(manual, done.stdout)
        self.assertIn("Flags:", done.stdout)
