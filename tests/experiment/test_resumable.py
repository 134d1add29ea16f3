"""A step of a recipe runs once for the same identity, goes on after an interruption, and asks after a change."""

import contextlib
import io
import json
import os
import pathlib
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.experiment import resumable
from spl_tf.experiment.resumable import Clips, replacing_changed, require_unchanged, run_step

IDENTITY = {"epochs": "3", "shards": "abc"}


class RunStepTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "step"
        self.runs = 0
        self.printed = io.StringIO()
        self.clock = 100.0  # Seconds.

    def _run(self, identity=None, *, takes=0.0, error=None, outputs=(), replace=True):
        """One call whose action leaves a file `run<n>` and, on the clock, takes some seconds."""

        def action():
            self.runs += 1
            self.clock += takes
            (self.folder / f"run{self.runs}").touch()
            if error is not None:
                raise error
            return {"clips": 7 * self.runs}

        clock = mock.patch.object(resumable.time, "monotonic", side_effect=lambda: self.clock)
        with contextlib.redirect_stdout(self.printed), clock, replacing_changed(replace):
            identity = IDENTITY if identity is None else identity
            return run_step(self.folder, identity, action, outputs=outputs, kind=Clips)

    def _outputs(self, name="step"):
        folder = self.folder.with_name(name)
        return sorted(path.name for path in folder.iterdir() if path.name != "step.json")

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
    def test_another_identity_sets_the_folder_aside_and_runs_anew(self, identity, difference):
        self._run(takes=2.0)
        self.assertEqual(self._run(identity, takes=1.5), {"clips": 14, "seconds": 1.5})
        self.assertEqual(self._outputs(), ["run2"])
        self.assertEqual(self._outputs("step.replaced-1"), ["run1"])
        said = f"{self.folder}: {difference}; done anew, what was there is set aside as step.replaced-1\n"
        self.assertEqual(self.printed.getvalue(), said)
        self._run(identity)
        self.assertEqual(self.runs, 2)
        self._run()  # Back again: what was set aside stays there.
        self.assertEqual(self._outputs(), ["run3"])
        self.assertEqual((self._outputs("step.replaced-1"), self._outputs("step.replaced-2")), (["run1"], ["run2"]))

    def test_unless_it_is_wanted_another_identity_is_refused_and_nothing_touched(self):
        self._run()
        before = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        message = r"step was made from something else: epochs was 3 and is 4; --replace_changed .* as step.replaced-1 "
        with self.assertRaisesRegex(UserError, message):
            self._run(IDENTITY | {"epochs": "4"}, replace=False)
        self.assertEqual({path.name: path.read_bytes() for path in self.folder.iterdir()}, before)
        self.assertEqual((self.runs, os.listdir(self.folder.parent)), (1, ["step"]))

    @parameterized.parameters(("y\n", 2), ("yes\n", 2), ("n\n", 1), ("\n", 1), ("", 1))
    def test_at_a_terminal_it_is_asked_once_for_all_that_builds_on_it(self, answer, runs):
        self._run()
        terminal = mock.Mock(isatty=lambda: True, readline=mock.Mock(side_effect=[answer]))
        changed = IDENTITY | {"epochs": "4"}
        said = contextlib.nullcontext() if runs == 2 else self.assertRaisesRegex(UserError, "epochs was 3 and is 4")
        printed = contextlib.redirect_stdout(self.printed)
        with mock.patch("sys.stdin", terminal), said, replacing_changed(False), printed:
            run_step(self.folder, changed, lambda: {"clips": 2}, [], Clips)
            run_step(self.folder, changed | {"more": "1"}, lambda: {"clips": 3}, [], Clips)
        self.assertEqual(self.printed.getvalue().count("Set it aside as step.replaced-1, do it anew?"), 1)
        self.assertLen(os.listdir(self.folder.parent), 3 if runs == 2 else 1)

    def test_a_step_that_did_nothing_yet_is_not_asked_about(self):
        with self.assertRaises(UserError), replacing_changed(False):
            run_step(self.folder, IDENTITY, mock.Mock(side_effect=UserError("a wrong option")), [], Clips)
        self._run(IDENTITY | {"epochs": "4"}, replace=False)
        self.assertEqual(os.listdir(self.folder.parent), ["step"])

    def test_changed_settings_are_found_before_any_input_is_there(self):
        step, settings = self.folder, {"SGD.momentum": "0.9", "train_stage.epochs": "3"}
        require_unchanged(step, settings)  # Not done as yet.
        of_recipe = {"forward_correction.transition": "ab12.npy", "shards": "abc", "seed": "0"}
        self._run(settings | of_recipe)
        require_unchanged(step, settings)
        with self.assertRaisesRegex(UserError, "else: SGD.momentum was 0.9 and is not set; --replace_changed"):
            require_unchanged(step, {"train_stage.epochs": "3"})
        with replacing_changed(True):
            require_unchanged(step, {"train_stage.epochs": "4"})
        self.assertEqual(os.listdir(self.folder.parent), ["step"])

    def test_contents_are_not_spelled_out(self):
        self._run({"manifest": "ab" * 32, "shards": "0123456789abcdef " * 2000 + "0" * 16})
        with self.assertRaisesRegex(UserError, "else: manifest: another content than before; --rep"):
            self._run({"manifest": "cd" * 32, "shards": ""}, replace=False)

    def test_a_step_whose_output_is_gone_makes_it_again_from_what_is_there(self):
        self._run(outputs=["run1"], takes=2.0)
        self._run(outputs=["run1"])
        self.assertEqual(self.runs, 1)
        (self.folder / "run1").rename(self.folder / "elsewhere")
        self.assertEqual(self._run(outputs=["run1"], takes=1.0)["seconds"], 3.0)
        self.assertEqual(self._outputs(), ["elsewhere", "run2"])
        self.assertEqual(self.printed.getvalue(), f"{self.folder}: run1 is missing; made again from what is there\n")

    def test_an_interrupted_step_goes_on_in_its_folder_and_its_seconds_add_up(self):
        with self.assertRaises(KeyboardInterrupt):
            self._run(takes=2.0, error=KeyboardInterrupt())
        with self.assertRaises(UserError):
            self._run(takes=3.5, error=UserError("disk"))
        self.assertEqual(self._run(takes=1.0), {"clips": 21, "seconds": 6.5})
        self.assertEqual(self._outputs(), ["run1", "run2", "run3"])
        self.assertEqual(self._run(), {"clips": 21, "seconds": 6.5})

    def test_an_interrupted_step_of_another_identity_is_set_aside_with_its_seconds(self):
        with self.assertRaises(KeyboardInterrupt):
            self._run(takes=2.0, error=KeyboardInterrupt())
        self.assertEqual(self._run(IDENTITY | {"epochs": "4"}, takes=1.0)["seconds"], 1.0)
        self.assertEqual(self._outputs(), ["run2"])
        self.assertEqual(self._outputs("step.replaced-1"), ["run1"])

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

    def test_a_marker_with_any_bit_flipped_is_refused_or_says_the_same_and_nothing_is_touched(self):
        """A flipped digit of an input's fingerprint looked like another input, and the step's outputs were removed."""
        result = self._run({"shards": "0123456789abcdef"}, takes=2.0)
        marker = self.folder / "step.json"
        content = marker.read_bytes()
        refused = 0
        for place in range(len(content)):
            flipped = bytearray(content)
            flipped[place] ^= 1 << (place % 8)
            marker.write_bytes(flipped)
            try:
                self.assertEqual(self._run({"shards": "0123456789abcdef"}), result)
            except UserError as error:
                self.assertIn("step.json is damaged", str(error))
                refused += 1
        self.assertGreater(refused, len(content) // 2)
        self.assertEqual((self.runs, os.listdir(self.folder.parent)), (1, ["step"]))

    def test_without_its_marker_a_step_goes_on_with_what_lies_there(self):
        self._run()
        (self.folder / "step.json").unlink()
        self._run()
        self.assertEqual(self._outputs(), ["run1", "run2"])

    def test_marker_of_a_running_step_holds_no_result(self):
        with self.assertRaises(KeyboardInterrupt):
            self._run(takes=2.0, error=KeyboardInterrupt())
        marker = json.loads((self.folder / "step.json").read_text())
        del marker["sha256"]
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
