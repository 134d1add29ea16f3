"""A step of a recipe runs once for the same identity, goes on after an interruption and starts anew after a change."""

import contextlib
import io
import json
import pathlib
import shutil
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.experiment import resumable
from spl_tf.experiment.resumable import Clips, run_step

IDENTITY = {"epochs": "3", "shards": "abc"}


class RunStepTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "step"
        self.runs = 0
        self.printed = io.StringIO()
        self.clock = 100.0  # Seconds.

    def _run(self, identity=None, *, takes=0.0, error=None, outputs=()):
        """One call whose action leaves a file `run<n>` and, on the clock, takes some seconds."""

        def action():
            self.runs += 1
            self.clock += takes
            (self.folder / f"run{self.runs}").touch()
            if error is not None:
                raise error
            return {"clips": 7 * self.runs}

        clock = mock.patch.object(resumable.time, "monotonic", side_effect=lambda: self.clock)
        with contextlib.redirect_stdout(self.printed), clock:
            return run_step(
                self.folder, IDENTITY if identity is None else identity, action, outputs=outputs, kind=Clips
            )

    def _outputs(self):
        return sorted(path.name for path in self.folder.iterdir() if path.name != "step.json")

    def test_a_finished_step_is_not_run_again_and_says_the_same(self):
        first = self._run(takes=2.0)
        self.assertEqual(first, {"clips": 7, "seconds": 2.0})
        self.assertEqual(self._run(dict(reversed(IDENTITY.items())), takes=5.0), first)
        self.assertEqual(self.runs, 1)
        self.assertEqual(self.printed.getvalue(), "")

    @parameterized.parameters(
        (IDENTITY | {"epochs": "4", "shards": "xyz"}, "epochs was 3 and is 4"),  # The first of two, by name.
        (IDENTITY | {"depth": "18"}, "depth was not set and is 18"),
        ({"epochs": "3"}, "shards was abc and is not set"),
    )
    def test_another_identity_removes_the_folder_and_runs_anew(self, identity, difference):
        self._run(takes=2.0)
        self.assertEqual(self._run(identity, takes=1.5), {"clips": 14, "seconds": 1.5})
        self.assertEqual(self._outputs(), ["run2"])
        self.assertEqual(self.printed.getvalue(), f"{self.folder}: {difference}; done anew\n")
        self._run(identity)
        self.assertEqual(self.runs, 2)

    def test_a_step_whose_output_is_gone_runs_anew(self):
        self._run(outputs=["run1"])
        self._run(outputs=["run1"])
        self.assertEqual(self.runs, 1)
        (self.folder / "run1").rename(self.folder / "elsewhere")
        self._run(outputs=["run1"])
        self.assertEqual(self._outputs(), ["run2"])
        self.assertEqual(self.printed.getvalue(), f"{self.folder}: run1 is missing; done anew\n")

    def test_an_interrupted_step_goes_on_in_its_folder_and_its_seconds_add_up(self):
        with self.assertRaises(KeyboardInterrupt):
            self._run(takes=2.0, error=KeyboardInterrupt())
        with self.assertRaises(UserError):
            self._run(takes=3.5, error=UserError("disk"))
        self.assertEqual(self._run(takes=1.0), {"clips": 21, "seconds": 6.5})
        self.assertEqual(self._outputs(), ["run1", "run2", "run3"])
        self.assertEqual(self._run(), {"clips": 21, "seconds": 6.5})

    def test_an_interrupted_step_of_another_identity_is_removed_with_its_seconds(self):
        with self.assertRaises(KeyboardInterrupt):
            self._run(takes=2.0, error=KeyboardInterrupt())
        self.assertEqual(self._run(IDENTITY | {"epochs": "4"}, takes=1.0)["seconds"], 1.0)
        self.assertEqual(self._outputs(), ["run2"])

    def test_a_removal_that_was_interrupted_does_not_pass_old_files_on_to_the_new_run(self):
        """The order in which a folder's entries are removed is the file system's: here the marker came first."""
        self._run()

        def remove_a_little(folder, *arguments, **options):
            for path in pathlib.Path(folder).rglob("step.json"):
                path.unlink()
                raise KeyboardInterrupt

        changed = IDENTITY | {"epochs": "4"}
        with mock.patch.object(shutil, "rmtree", remove_a_little), self.assertRaises(KeyboardInterrupt):
            self._run(changed)
        self._run(changed)
        self.assertEqual(self._outputs(), ["run2"])

    @parameterized.parameters(
        ("{", "truncated"),
        ("{}", "required field identity"),
        ("[[[[", "expected object, got array"),
        ('{"identity": {"epochs": 3}, "result": null, "seconds": 1}', r"identity\[...\]: expected str, got int"),
        ('{"identity": {}, "result": {}, "seconds": 1}', "result: .*required field clips"),
        ('{"identity": {}, "result": {"clips": -7, "seconds": 1}, "seconds": 1}', r"result.clips: expected int >= 0"),
        ('{"identity": {}, "result": null, "seconds": 1e400}', "seconds: number out of range"),
    )
    def test_a_damaged_marker_is_named_with_the_field_and_a_remedy_that_keeps_the_work(self, marker, message):
        self._run()
        (self.folder / "step.json").write_text(marker)
        with self.assertRaisesRegex(UserError, f"step/step.json .*{message}.*: delete this file alone and run"):
            self._run({})
        self.assertEqual(self._outputs(), ["run1"])
        self.assertEqual(self.runs, 1)

    def test_marker_of_a_running_step_holds_no_result(self):
        with self.assertRaises(KeyboardInterrupt):
            self._run(takes=2.0, error=KeyboardInterrupt())
        marker = json.loads((self.folder / "step.json").read_text())
        self.assertEqual(marker, {"identity": IDENTITY, "result": None, "seconds": 2.0})

    def test_what_a_killed_session_was_writing_is_gone_when_the_step_is_done(self):
        with self.assertRaises(KeyboardInterrupt):
            self._run(error=KeyboardInterrupt())
        half_written = [self.folder / ".host.7.tmp.model.keras", self.folder / "checkpoints/.host.7.tmp.best.h5"]
        for path in half_written:
            path.parent.mkdir(exist_ok=True)
            path.touch()
        with self.assertRaises(KeyboardInterrupt):
            self._run(error=KeyboardInterrupt())
        self.assertTrue(all(path.exists() for path in half_written))  # Another run may be writing them.
        self._run()
        self.assertEqual(self._outputs(), ["checkpoints", "run1", "run2", "run3"])
        self.assertEqual(list((self.folder / "checkpoints").iterdir()), [])
