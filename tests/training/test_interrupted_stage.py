"""Stages that were stopped, or whose files were damaged, end as if nothing had been."""

import contextlib
import io
import signal
import subprocess
import sys
import time

import numpy as np

from spl_tf.errors import UserError
from spl_tf.training.outcome import read_metrics
from tests.interrupted import stopped_at_checkpoint
from tests.training.stage_case import StageCase
from tests.written import stored_weights


class InterruptedStageTest(StageCase):
    def test_a_run_stopped_before_its_first_checkpoint_gives_its_folder_away(self):
        (self.folder / "m").mkdir()
        (self.folder / "m" / "run.json").write_text('{"train_stage.epochs": "9"}')
        self.assertEqual(self.train()["steps"], 12)

    def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(self):
        often = ["train_stage.checkpoint_seconds = 0", "train_stage.steps_per_loop = 3"]
        whole = self.trained(*often)
        damaged = self.copied(*often)
        (damaged / "finished.json").unlink()
        (newest,) = damaged.glob("checkpoints/ckpt-12.data*")
        newest.write_bytes(newest.read_bytes()[:100])
        self.train(bindings=often)
        whole, repaired = (stored_weights(folder / "backbone.weights.h5") for folder in (whole, damaged))
        for name, values in whole.items():
            self.assertAllEqual(values, repaired[name], name)
        (damaged / "finished.json").unlink()
        for path in damaged.glob("checkpoints/ckpt-*.data*"):
            path.write_bytes(b"")
        with self.assertRaisesRegex(UserError, "no checkpoint can be restored .*delete .*checkpoints"):
            self.train(bindings=often)

    def test_a_damaged_file_of_a_finished_stage_is_named_and_written_again_from_the_last_checkpoint(self):
        folder = self.copied()
        content = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        for name in ("model.keras", "folded.keras", "backbone.weights.h5", "model.json", "metrics.json"):
            damaged = bytearray(content[name])
            damaged[len(damaged) // 2] ^= 1
            (folder / name).write_bytes(damaged)
            remedy = "delete finished.json beside it: then the same training writes it from its last checkpoint"
            with self.assertRaisesRegex(UserError, f"m/{name} is damaged .*{remedy}"):
                self.train()
            (folder / name).write_bytes(content[name])
        (folder / "backbone.weights.h5").write_bytes(content["backbone.weights.h5"][:-1])
        with self.assertRaisesRegex(UserError, "m/backbone.weights.h5 is damaged"):
            self.train("second", init_weights=folder / "backbone.weights.h5")
        self.assertFalse((self.folder / "second").exists())
        (folder / "finished.json").unlink()
        self.train()
        different = {name for name, before in content.items() if (folder / name).read_bytes() != before}
        # What gin was asked for differs, for most of it was not asked in the second call.
        self.assertLessEqual(different, {"operative_config.gin", "SHA256SUMS"})

    def test_a_damaged_description_of_the_run_is_no_other_run(self):
        """And without it the folder is gone on with, which is told: nothing else is lost."""
        first = read_metrics(self.copied("train_stage.checkpoint_seconds = 0"))
        for name in ("run.json", "precision.json"):
            path = self.folder / "m" / name
            content = path.read_text()
            (self.folder / "m" / "finished.json").unlink()
            path.write_text(content.replace('"0"', '"1"').replace("float32", "float16").replace("bfloat", "bfloaa"))
            with self.assertRaisesRegex(UserError, f"m/{name} is damaged .*: delete this file alone"):
                self.train(bindings=["train_stage.checkpoint_seconds = 0"])
            path.unlink()
            told = io.StringIO()
            with contextlib.redirect_stdout(told):
                again = self.train(bindings=["train_stage.checkpoint_seconds = 0"])
            self.assertEqual(again["train"], first["train"])
            self.assertEqual(path.read_text(), content)
            if name == "run.json":
                self.assertIn("run.json is missing: what else lies there is taken for this run's", told.getvalue())

    def test_data_parameters_and_the_loss_s_epoch_go_on_where_a_stopped_run_was(self):
        """The anchor loss begins after two epochs of six; the run is stopped in the fourth."""
        options = ["train_stage.data_parameters = @DataParameters", "DataParameters.mode = 'joint'"]
        options += ["train_stage.loss = @anchor_loss", "anchor_loss.warmup_epochs = 2", "train_stage.epochs = 6"]
        options += ["train_stage.checkpoint_seconds = 0", "train_stage.steps_per_loop = 2"]
        self.train("whole", bindings=options)
        with stopped_at_checkpoint(6):
            self.train("stopped", bindings=options)
        self.train("stopped", bindings=options)
        self.train("plain", bindings=["train_stage.loss = @anchor_loss", *options[3:]])
        whole, stopped, plain = (
            stored_weights(self.folder / n / "backbone.weights.h5") for n in ("whole", "stopped", "plain")
        )
        for name, values in whole.items():
            self.assertAllEqual(values, stopped[name], name)
        self.assertFalse(all(np.array_equal(whole[name], plain[name]) for name in whole))  # They do something.

    def test_a_diverging_run_names_the_last_good_checkpoint(self):
        with self.assertRaisesRegex(UserError, "not finite at step .*last good checkpoint: .*ckpt-"):
            self.train(
                bindings=[
                    "warmup_cosine.peak = 1e30",
                    "warmup_cosine.warmup_epochs = 1",
                    "train_stage.epochs = 20",
                    "train_stage.checkpoint_seconds = 0",
                ]
            )

    def test_killed_and_terminated_runs_end_with_the_weights_of_an_undisturbed_one(self):
        (self.folder / "tiny.gin").write_text("\n".join(self.bindings))

        def start(name):
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "spl_tf.train", f"--gin_file={self.folder / 'tiny.gin'}"),
                    "--gin_import=tests.tiny_network",
                    *(f"--model_dir={self.folder / name}", "--stage=teacher"),
                    f"--gin_param=train_stage.train_shards = '{self.shards / 'target'}'",
                    *("--gin_param=train_stage.checkpoint_seconds = 0", "--gin_param=train_stage.steps_per_loop = 3"),
                    *("--gin_param=train_stage.epochs = 30", "--gin_param=train_stage.average_decay = 0.9"),
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )

        def wait_for_a_new_checkpoint(name, process):
            known = set(self.folder.glob(f"{name}/checkpoints/*.index"))
            while process.poll() is None and not set(self.folder.glob(f"{name}/checkpoints/*.index")) - known:
                time.sleep(0.01)

        undisturbed = start("undisturbed")
        killed = start("disturbed")
        wait_for_a_new_checkpoint("disturbed", killed)
        killed.kill()
        killed.communicate()
        terminated = start("disturbed")
        wait_for_a_new_checkpoint("disturbed", terminated)
        terminated.send_signal(signal.SIGTERM)
        message = terminated.communicate()[1].decode()
        self.assertEqual(terminated.returncode, 143, message)
        self.assertRegex(message, r"stopped at step \d+, saved as .*ckpt-\d+")
        self.assertFalse((self.folder / "disturbed" / "finished.json").exists())
        finishing = start("disturbed")
        for process in (finishing, undisturbed):
            message = process.communicate()[1].decode()
            self.assertEqual(process.returncode, 0, message)
        one, other = (stored_weights(self.folder / n / "backbone.weights.h5") for n in ("undisturbed", "disturbed"))
        self.assertEqual(one.keys(), other.keys())
        for name, values in one.items():
            self.assertAllEqual(values, other[name], name)
