"""Runs that end before their last step: asked to by Ctrl-C, or by validation; and what their means are over."""

import contextlib
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
from unittest import mock

import gin
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command, configuration, train
from spl_tf.errors import UserError
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.training.checkpoints import Checkpoints
from spl_tf.training.hooks import Hook
from spl_tf.training.loop import LoopPlan
from spl_tf.training.objectives.single_label import SingleLabel
from spl_tf.training.outcome import Selection
from spl_tf.training.progress import ProgressLine
from spl_tf.training.stage import train_stage
from spl_tf.training.stopping import stop_noted
from tests.written import stored_weights

# A process that runs steps for ever, in calls that no Python line interrupts, as one of TensorFlow.
_LONG_STEPS = """
import hashlib, sys
from spl_tf.training.stopping import stop_noted
with stop_noted():
    print("started", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""


class StoppingTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, tiny_bindings, tmp_path):
        self.shards, self.bindings, self.folder = color_shards, tiny_bindings, pathlib.Path(tmp_path)

    def setUp(self):
        super().setUp()
        # A shell starts what it runs in the background with SIGINT ignored.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))

    def _train(self, name="m", bindings=(), validated=None, **arguments):
        """Trains; `validated` are the top-1 of the evaluations in place of those measured."""
        configuration.parse([], [*self.bindings, *bindings])
        shards = {"train_shards": self.shards / "target"}
        looking_on = contextlib.ExitStack()
        if validated is not None:
            shards["validation_shards"] = self.shards / "test"
            looking_on.enter_context(mock.patch("spl_tf.training.validation.score_clips", return_value=[]))
            values = {3 * number: value for number, value in enumerate(validated, 1)}
            offer = Selection.offer

            def offer_ours(selection, step, metrics, model):
                metrics["top_1"] = values[step]
                offer(selection, step, metrics, model)

            looking_on.enter_context(mock.patch.object(Selection, "offer", offer_ours))
            evaluation = Evaluation({"top_1": 0.0}, {})
            looking_on.enter_context(mock.patch.object(SingleLabel, "evaluate", return_value=evaluation))
        with looking_on, gin.config_scope("teacher"):
            return train_stage("teacher", self.folder / name, **shards, **arguments)

    def test_ctrl_c_saves_and_the_same_command_ends_with_the_means_of_the_last_epoch(self):
        """In batches of 5 the 12 clips are 2.4 steps an epoch: the means are over the last 3 of 8."""
        options = [*self.bindings, "train_stage.batch_size = 5", "train_stage.epochs = 3"]
        (self.folder / "tiny.gin").write_text("\n".join(options))
        data = f"--gin_param=train_stage.train_shards = '{self.shards / 'target'}'"

        arguments = [f"--gin_file={self.folder / 'tiny.gin'}", f"--model_dir={self.folder / 'm'}", data]

        def run():
            told = io.StringIO()
            with contextlib.redirect_stderr(told):
                return command.execute(train.main, train.FLAGS, "", ["train", *arguments]), told.getvalue()

        interrupts, reports = [signal.SIGINT], []

        def interrupt(hook, step):
            if step == 2 and interrupts:
                os.kill(os.getpid(), interrupts.pop())

        with (
            mock.patch.object(Hook, "before", interrupt),
            mock.patch.object(ProgressLine, "after", lambda hook, report: reports.append(report)),
        ):
            code, told = run()
            self.assertEqual(code, 130)
            self.assertIn("spl_tf: stopping: the steps under way are ended and saved; Ctrl-C once more stops", told)
            self.assertRegex(told, r"spl_tf: stopped at step 5, saved as .*ckpt-5; the same command goes on")
            self.assertEqual(run()[0], 0)
        self.assertEqual([report.step for report in reports], [1, 2, 5, 6, 7, 8])
        metrics = json.loads((self.folder / "m" / "metrics.json").read_text())
        self.assertEqual((metrics["steps"], metrics["train_steps"]), (8, [6, 8]))
        for measure, mean in metrics["train"].items():
            self.assertAllClose(mean, sum(report.means[measure] for report in reports[-3:]) / 3, 1e-5, msg=measure)

    def test_a_second_ctrl_c_ends_the_process_at_once_though_a_long_call_runs(self):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(
            [sys.executable, "-c", _LONG_STEPS],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "started\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.stderr.readline(), "\n")
        self.assertIn("stopping: the steps under way are ended and saved", process.stderr.readline())
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertIn("stopped at once: nothing since the last checkpoint is saved", told)

    def test_handlers_are_as_before_and_an_ignored_ctrl_c_stays_ignored(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        with stop_noted() as request:
            self.assertEqual(signal.getsignal(signal.SIGINT), signal.SIG_IGN)
            os.kill(os.getpid(), signal.SIGINT)
            self.assertIsNone(request.received)
        self.assertEqual([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)], before)
        self.assertEqual(signal.set_wakeup_fd(-1), -1)

    @parameterized.parameters(
        (100, 0, False, {0: 90, 89: 90, 99: 90}),
        (5, 0, False, {0: 0, 4: 0}),
        (100, 30, True, {0: 20, 29: 20, 30: 50, 59: 50, 90: 90, 99: 90}),
        (100, 4, True, {0: 0, 3: 0, 4: 4, 99: 96}),
    )
    def test_the_means_begin_an_epoch_before_wherever_a_run_may_end(self, total, every, early, expected):
        plan = LoopPlan(total, 20, every, 300.0, averaged_steps=10, may_stop_early=early)
        self.assertEqual({step: plan.averaged_from(step) for step in expected}, expected)
        step, ends = 0, set()
        while step < total:
            step += plan.next_loop(step, len(ends))
            ends.add(step)
        self.assertLessEqual({plan.averaged_from(at) for at in range(total)} - {0}, ends)

    @parameterized.parameters(
        ([0.3, 0.5, 0.4, 0.5, 0.6, 0.9], 2, 12, 6),  # An equal one is no new best.
        ([0.3, 0.5, 0.4, 0.6, 0.6, 0.7], 2, 18, 18),
        ([0.9, 0.5, 0.4, 0.5, 0.6, 0.8], 1, 6, 3),
        ([0.3, 0.5, 0.4, 0.5, 0.6, 0.9], None, 18, 18),
    )
    def test_a_run_ends_when_so_many_evaluations_brought_no_new_best(self, values, patience, end, best):
        network = mock.Mock(save_weights=lambda path: pathlib.Path(path).write_bytes(b""))
        for keeps_best in (True, False):
            selection = Selection(self.folder / str(keeps_best), "top_1", keeps_best, patience)
            for step, value in zip(range(3, 19, 3), values, strict=True):
                selection.offer(step, {"top_1": value}, network)
                if selection.has_ended(step):
                    break
            self.assertEqual((step, selection.step(step)), (end, best if keeps_best else end))

    def test_what_a_killed_session_evaluated_further_on_does_not_end_a_run(self):
        selection = Selection(self.folder, "top_1", patience=1)
        for step, value in ((3, 0.6), (6, 0.7), (9, 0.5)):
            selection.offer(step, {"top_1": value}, mock.Mock())
        self.assertEqual([selection.has_ended(step) for step in (0, 3, 6, 9)], [False, False, False, True])

    def test_a_measure_that_can_t_be_taken_decides_nothing(self):
        for options in ({"patience": 2}, {"keeps_best": True}):
            with self.assertRaisesRegex(UserError, "the validation's top_1 can't be measured .*validation_shards"):
                Selection(self.folder, "top_1", **options).offer(3, {"top_1": float("nan")}, mock.Mock())

    @pytest.mark.slow
    def test_a_run_killed_at_evaluations_ends_early_at_the_step_and_with_the_weights_of_an_undisturbed_one(self):
        """First it is killed when an evaluation is noted and its checkpoint is not, then when the last one is saved."""
        options = ["train_stage.epochs = 6", "train_stage.evaluate_epochs = 1", "train_stage.checkpoint_seconds = 0"]
        options += ["train_stage.steps_per_loop = 2"]
        early = {"validated": [0.3, 0.6, 0.5, 0.7, 0.7, 0.9], "stop_after_evaluations": 1, "select": "best"}
        save = Checkpoints.save

        def kill_at(step, before):
            def save_and_stop(checkpoints):
                if not before or checkpoints._state.step.numpy() != step:
                    save(checkpoints)
                if checkpoints._state.step.numpy() == step:
                    raise KeyboardInterrupt

            return mock.patch.object(Checkpoints, "save", save_and_stop)

        for step, before in ((6, True), (9, False)):
            with kill_at(step, before), self.assertRaises(KeyboardInterrupt):
                self._train("killed", options, **early)
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            killed, whole = self._train("killed", options, **early), self._train("whole", options, **early)
        self.assertEqual((whole["steps"], whole["selected_step"], whole["planned_steps"]), (9, 6, 18))
        for name in ("steps", "selected_step", "evaluations", "train_steps"):
            self.assertEqual(killed[name], whole[name])
        self.assertAllClose(killed["train"], whole["train"], 1e-5)
        one, other = (stored_weights(self.folder / name / "backbone.weights.h5") for name in ("whole", "killed"))
        for name, values in one.items():
            self.assertAllEqual(values, other[name], name)
        message = (
            "teacher: ended after step 9 of 18: top_1 on the validation clips was best after step 6 (0.6000), and no "
            "later evaluation was better"
        )
        self.assertEqual(told.getvalue().count(message), 2)

    @parameterized.parameters(
        (2, None, "train_stage.stop_after_evaluations needs train_stage.validation_shards"),
        (0, [0.5], "train_stage.stop_after_evaluations = 0: give a number above 0"),
    )
    def test_an_early_end_needs_a_number_and_a_validation(self, patience, validated, message):
        with self.assertRaisesRegex(UserError, message):
            self._train(validated=validated, stop_after_evaluations=patience)


if __name__ == "__main__":
    tf.test.main()
