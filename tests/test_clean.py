"""The command: from shards and a teacher to labels that training takes, and what it says of mistakes."""

import json

import keras
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import clean
from spl_tf.data.dataset import load_dataset
from spl_tf.data.input.targets import join_targets
from spl_tf.inference.trained_model import ClipInput, save_trained
from spl_tf.training.identity import open_inputs
from tests.commands import assert_mistake, run_command

SMALL = ("cleannet.steps = 30", "cleannet.num_references = 4", "clip_features.precision = 'float32'")


class CleanTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, tmp_path):
        self.shards, self.labels, self.teacher = color_shards, tmp_path / "L", tmp_path / "teacher"

    def _save_teacher(self, classes=("red", "green", "blue")):
        """Scores by the mean colour; never trained."""
        clips = keras.Input((4, 28, 28, 3))
        features = keras.layers.GlobalAveragePooling3D()(clips)
        logits = keras.layers.Dense(len(classes), kernel_initializer="identity")(features)
        network = keras.Model(clips, {"features": features, "logits": logits})
        save_trained(self.teacher, network, classes, ClipInput(4, 2, 28, short_side=32, fps=10.0))

    def _run(self, *arguments):
        """Exit code, standard output, standard error."""
        paths = [f"--model_dir={self.teacher}", f"--shards={self.shards / 'web'}", f"--output_dir={self.labels}"]
        options = [f"--gin_param={binding}" for binding in SMALL]
        return run_command(clean, *paths, *options, *arguments)

    def test_the_command_writes_labels_that_training_takes_and_prints_what_became_of_the_clips(self):
        self._save_teacher()
        code, out, err = self._run("--method=cleannet_soft", f"--clean_shards={self.shards / 'target'}", "--seed=4")
        self.assertEqual(code, 0, err)
        summary = json.loads((self.labels / "summary.json").read_text())
        lines = [" ".join(line.split()) for line in out.splitlines()]
        self.assertIn("cleannet_soft: 3 classes", lines)
        self.assertIn("clips 72", lines)
        self.assertIn(f"kept {summary['kept']} {summary['kept'] / 72:.1%}", lines)
        self.assertEqual(summary["cleaning"]["seed"], 4)
        written = {f"{shard.name}.parquet" for shard in load_dataset(self.shards / "web").shards}
        written |= {"cells.npz", "confusion.npy", "confusion.png", "long_tail.png", "summary.json", "features", ".lock"}
        written.add("SHA256SUMS")
        self.assertEqual({path.name for path in self.labels.iterdir()}, written)
        inputs = open_inputs(self.shards / "web", self.labels, validation_shards=None, init_weights=None)
        self.assertEqual(inputs.classes, ("red", "green", "blue"))
        targets = join_targets(inputs.train, inputs.labels)
        weights = targets.weights[targets.table.kept]
        self.assertLen(weights, summary["kept"])
        self.assertAllInRange(weights, 1e-9, 1.00001)

    def test_tasks_leave_features_and_the_command_without_a_task_makes_labels_of_them(self):
        self._save_teacher()
        chosen = ["--method=confident_learning"]
        code, out, err = self._run(*chosen, "--task=1/2")
        self.assertEqual(code, 0, err)
        self.assertIn("the same command without --task makes the labels", out)
        self.assertFalse((self.labels / "summary.json").exists())
        made = {path: path.stat().st_mtime_ns for path in (self.labels / "features" / "web").glob("*.npy")}
        self.assertLen(made, 6)  # Two of each shard.
        self.assertEqual(self._run(*chosen)[0], 0)
        self.assertEqual({path: path.stat().st_mtime_ns for path in made}, made)
        by_tasks, self.labels = self.labels, self.labels.with_name("alone")
        self.assertEqual(self._run(*chosen)[0], 0)
        for path in [*self.labels.glob("*.parquet"), *self.labels.glob("features/web/*.npy")]:
            self.assertEqual((by_tasks / path.relative_to(self.labels)).read_bytes(), path.read_bytes(), path)

    @parameterized.parameters(
        (["--method=cleannet_sofd"], "there is no method 'cleannet_sofd': did you mean cleannet_soft?"),
        (["--method=cleannet_soft"], "cleannet_soft needs a clean set: give --clean_shards"),
        (["--method=cleannet_soft", "--clean_shards=nowhere"], "nowhere/dataset.json does not exist"),
        (["--method=cleannet_soft", "--clean_shards=c", "--shards=no"], "no/dataset.json does not exist"),
        (["--method=cleannet_soft", "--seed=many"], "seed"),
        (["--method=cleannet_soft", "--seed=-1"], "seed"),
        (["--clean_shards=c"], "--method"),
        (
            ["--method=confident_learning", "--clean_shards=c"],
            "--clean_shards would change nothing: confident_learning",
        ),
    )
    def test_a_mistake_is_one_line_and_exit_code_2(self, arguments, message):
        assert_mistake(self._run(*arguments), message)
        self.assertFalse(self.labels.exists())

    def test_a_teacher_of_other_classes_is_refused(self):
        self._save_teacher(classes=("red", "blue"))
        result = self._run("--method=cleannet_soft", f"--clean_shards={self.shards / 'target'}")
        assert_mistake(result, str(self.teacher))


if __name__ == "__main__":
    tf.test.main()
