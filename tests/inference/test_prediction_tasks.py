"""Predictions made by several tasks: the bytes of one process, whichever tasks die, and who is refused."""

import contextlib
import io
import os
import pathlib
import subprocess
import sys
from unittest import mock

import pytest
import tensorflow as tf

from spl_tf import predict as predict_command
from spl_tf.claims import Claims, Task
from spl_tf.errors import UserError
from spl_tf.inference import prediction
from spl_tf.inference.prediction import predict_clips
from spl_tf.labels import sidecar_files
from tests.commands import assert_mistake, run_command

ROOT = pathlib.Path(__file__).parents[2]
LEASE = 2.0


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class PredictionTasksTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, trained_dir):
        self.web, self.trained_dir = color_shards / "web", trained_dir

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.output = self.folder / "p"

    def predict(self, output, task=None, **options):
        options = {"batch_size": 7, "precision": "float32"} | options
        with contextlib.redirect_stdout(io.StringIO()):
            return predict_clips(self.trained_dir, self.web, output, task=task, **options)

    def test_a_task_takes_over_what_a_dead_one_held_and_gives_the_bytes_of_one_process(self):
        alone = self.predict(self.folder / "alone")
        write, calls = sidecar_files.write_predictions, []

        def write_one(path, **columns):
            calls.append(path)
            if len(calls) > 1:
                raise KeyboardInterrupt
            write(path, **columns)

        # Killed tasks don't say that they ended.
        killed = mock.patch.object(sidecar_files, "write_predictions", write_one), mock.patch.object(Claims, "_show")
        with killed[0], killed[1], self.assertRaises(KeyboardInterrupt):
            self.predict(self.output, Task(2, 2, LEASE))
        (self.output / ".host.7.tmp.web-00000-of-00003.parquet").write_bytes(b"half")
        self.assertLen(list(self.output.glob("web*.parquet")), 1)
        self.assertEqual(self.predict(self.output, Task(1, 2, LEASE)), alone)
        self.assertEqual(contents(self.output), contents(self.folder / "alone"))
        self.assertEqual(self.predict(self.output, Task(2, 2, LEASE)), alone)

    @pytest.mark.slow
    def test_a_paused_task_that_wakes_when_all_is_done_returns(self):
        alone = self.predict(self.folder / "alone")
        write, woken = prediction._write_sidecar, []

        def sleeps(*arguments):
            if not woken:
                woken.append(1)
                self.predict(self.output, Task(2, 2, LEASE))
            write(*arguments)

        with mock.patch.object(prediction, "_write_sidecar", sleeps), mock.patch.object(Claims, "beat"):
            self.assertEqual(self.predict(self.output, Task(1, 2, LEASE)), alone)
        self.assertEqual(contents(self.output), contents(self.folder / "alone"))

    def test_what_differs_is_refused_by_name(self):
        stopped = mock.patch.object(prediction, "predict_shards", side_effect=KeyboardInterrupt)
        with stopped, self.assertRaises(KeyboardInterrupt):
            self.predict(self.output, Task(1, 2, LEASE, "0.3.0"))
        for changes, message in (
            (
                {"num_views": 2},
                "^task 2/2 is refused: the tasks of .*p work with num_views 1, this one with 2; start all",
            ),
            ({"batch_size": 8}, "work with batch_size 7, this one with 8"),
            ({"precision": "bfloat16"}, "work with precision float32, this one with mixed_bfloat16"),
            ({"task": Task(2, 2, LEASE, "0.4.0")}, "work with version 0.3.0, this one with 0.4.0"),
        ):
            with self.assertRaisesRegex(UserError, message):
                self.predict(self.output, **{"task": Task(2, 2, LEASE, "0.3.0"), **changes})
        with mock.patch.object(tf, "__version__", "2.99"), self.assertRaisesRegex(UserError, "with tensorflow 2"):
            self.predict(self.output, Task(2, 2, LEASE, "0.3.0"))

    def test_flags_of_tasks(self):
        given = [f"--model_dir={self.trained_dir}", f"--output_dir={self.output}"]
        for flags, message in (
            (["--task=3/2", "--shards=D"], "--task=3/2: give i/n, i from 1 to n"),
            (["--task=1/2", "--video=v.mp4"], "--task shares out shards: give --shards"),
            (["--lease_seconds=9", "--shards=D"], "--lease_seconds would change nothing: without --task"),
        ):
            assert_mistake(run_command(predict_command, *given, *flags), message)

    @pytest.mark.slow
    def test_twenty_kills_of_any_task_end_in_the_same_bytes(self):
        self.predict(self.folder / "alone", batch_size=1, num_views=4)
        script = (  # A process without TensorFlow's threads.
            "import pathlib\n"
            "from spl_tf import configurables\n"
            "from spl_tf.inference.prediction import predict_clips\n"
            "from tests import tiny_network\n"
            "from tests.killed_tasks import run_killed\n"
            "options = {'batch_size': 1, 'num_views': 4, 'precision': 'float32'}\n"
            f"teacher, web = {str(self.trained_dir)!r}, {str(self.web)!r}\n"
            "work = lambda output, task: predict_clips(teacher, web, output, task=task, **options)\n"
            f"run_killed(work, pathlib.Path({str(self.folder)!r}) / 'K', 20, {LEASE})\n"
        )
        run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertIn("20 killed", run.stdout, run.stderr[-2000:])
        for folder in sorted((self.folder / "K").iterdir()):
            self.assertEqual(contents(folder), contents(self.folder / "alone"))
            self.assertNotIn(".claims", os.listdir(folder))
        print(run.stdout.splitlines()[-1])
