"""What a run has noted of itself, damaged: one line with file, field and the way that loses the least."""

import json
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.training.identity import claim_folder
from spl_tf.training.outcome import Selection, read_metrics
from spl_tf.training.precision_of_run import policy_of_run

METRICS = {
    "stage": "teacher",
    "steps": 9,
    "clips": 12,
    "precision": "float32",
    "seconds": 1.5,
    "train": {"loss": 0.5},
    "evaluations": [{"step": 3, "top_1": 0.5}],
    "selected_step": 9,
}
NOT_JSON = ("", "{", "[[[[", "[" * 100_000, "null", "[]", "\0", "3", '"x"', "NaN", "1e400")


class DamagedNotesTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def write(self, name, content):
        (self.folder / name).write_text(content)

    @parameterized.parameters(
        *((content, "") for content in NOT_JSON),
        (json.dumps(METRICS | {"steps": "9"}), "steps: expected int, got str"),
        (json.dumps(METRICS | {"steps": -9}), "steps: expected int >= 0"),
        (json.dumps(METRICS | {"train": []}), "train: expected object, got array"),
        (
            json.dumps(METRICS | {"evaluations": [{"step": None}]}),
            r"evaluations\[0\].*: expected int",
        ),
        (json.dumps(METRICS).replace("1.5", "1e400"), "seconds: number out of range"),
        (json.dumps(METRICS).replace("clips", "cljps"), "required field clips"),
    )
    def test_metrics_are_written_again_without_training(self, content, message):
        self.write("metrics.json", content)
        remedy = "delete finished.json beside it and run the same command again, which only writes what was trained"
        with self.assertRaisesRegex(UserError, f"metrics.json is damaged or not ours .*{message}.*: {remedy}"):
            read_metrics(self.folder)

    def test_metrics_are_read_as_they_were_written(self):
        self.write("metrics.json", json.dumps(METRICS))
        self.assertEqual(read_metrics(self.folder), METRICS)
        self.assertIsInstance(read_metrics(self.folder)["evaluations"][0]["step"], int)

    @parameterized.parameters(*NOT_JSON, '{"epochs": 3}', '{"epochs": null}')
    def test_the_identity_of_a_run_can_be_had_again_from_the_same_command(self, content):
        self.write("run.json", content)
        self.write("finished.json", "{}")
        with self.assertRaisesRegex(UserError, "run.json is damaged or not ours .*: delete this file alone and run"):
            claim_folder(self.folder, {"epochs": "3"})

    @parameterized.parameters(*NOT_JSON, "{}", '{"dtype_policy": "float64"}', '{"dtype_policy": ["float32"]}')
    def test_the_precision_is_this_machines_once_its_note_is_deleted(self, content):
        self.write("precision.json", content)
        with self.assertRaisesRegex(UserError, "precision.json is damaged or not ours .*: delete this file alone"):
            policy_of_run(self.folder, "float32")
        (self.folder / "precision.json").unlink()
        self.assertEqual(policy_of_run(self.folder, "float32"), "float32")

    @parameterized.parameters(*(content for content in NOT_JSON if content != "[]"))
    def test_evaluations_can_be_gone_on_without(self, content):
        self.write("evaluations.json", content)
        with self.assertRaisesRegex(UserError, "evaluations.json is damaged .*: delete this file alone and run"):
            Selection(self.folder, "top_1").history()

    def test_an_evaluation_without_what_is_selected_by_is_damage(self):
        self.write("evaluations.json", '[{"step": 3, "top_1": 0.5}, {"step": 6}]')
        self.assertLen(Selection(self.folder, "top_1").history(), 2)
        with self.assertRaisesRegex(UserError, "an entry without top_1"):
            Selection(self.folder, "top_1", keeps_best=True).history()


if __name__ == "__main__":
    tf.test.main()
