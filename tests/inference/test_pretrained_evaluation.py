"""A network of SPL's classes evaluated on the target's, through the table of its labels."""

import contextlib
import io
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from spl_tf import command
from spl_tf import evaluate as evaluate_command
from spl_tf.inference.trained_model import ClipInput, save_trained
from spl_tf.models.classifier import classifier
from spl_tf.models.resnet3d import resnet3d
from tests.labels.label_folders import label_matrix

COLORS = ("red", "green", "blue")
CLIP_INPUT = ClipInput(4, 2, 28, short_side=32, fps=10.0)


def _spl_b_by_hand(scores, confusion):
    """float [6] of SPL-B -> [3]: the diagonal, halves for the queries, halves dealt by the teacher's columns."""
    agreed, other = scores[:3], scores[3:]
    disagreeing = confusion * (1 - np.eye(3))
    return agreed + other / 2 + other / 2 @ (disagreeing / disagreeing.sum(axis=1, keepdims=True))


class PretrainedEvaluationTest(tf.test.TestCase):
    """A network of SPL-B classes on videos of the target's."""

    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, records_by_hand, rewrite_shards, tmp_path):
        self.shards, self.records_by_hand, self.folder = color_shards / "test", records_by_hand, tmp_path
        self.confusion = np.array([[50, 30, 10], [5, 60, 15], [20, 4, 70]])
        self.labels = label_matrix(tmp_path, self.confusion, COLORS, "spl_b")
        keras.utils.set_random_seed(1)
        network = classifier(resnet3d(depth=10, width_multiplier=0.125, folded=True), 6)
        clips = np.random.default_rng(0).normal(size=(4, 4, 28, 28, 3))
        *others, kernel, bias = network.get_weights()
        network.set_weights([*others, 3 / np.std(network(clips)["logits"]) * kernel, bias])
        save_trained(tmp_path / "m", network, (*COLORS, *(f"{name}|other" for name in COLORS)), CLIP_INPUT)

    def _evaluate(self, *arguments):
        stdout, stderr = io.StringIO(), io.StringIO()
        options = [f"--model_dir={self.folder / 'm'}", f"--shards={self.shards}", f"--output_dir={self.folder / 'e'}"]
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            module = evaluate_command
            code = command.execute(module.main, module.FLAGS, module.__doc__, ["evaluate", *options, *arguments])
        return code, stdout.getvalue(), stderr.getvalue()

    def test_scores_are_summed_through_the_labels(self):
        code, printed, complaint = self._evaluate(f"--labels_dir={self.labels}")
        self.assertEqual(code, 0, complaint)
        records = self.records_by_hand(self.folder / "m" / "folded.keras", self.shards, CLIP_INPUT)
        expected = np.stack([_spl_b_by_hand(record[5], self.confusion) for record in records])
        self.assertAllClose(np.load(self.folder / "e" / "scores.npy"), expected, atol=2e-5)
        self.assertAllClose(expected.sum(axis=1), np.ones(len(records)))
        metrics = json.loads((self.folder / "e" / "metrics.json").read_text())
        labels = np.array([record[4][0] for record in records])
        self.assertAllClose(metrics["top_1"], np.mean(expected.argmax(axis=1) == labels))
        self.assertEqual(
            (metrics["labels"], metrics["query_share"], metrics["classes_summed"]), (str(self.labels), 0.5, 6)
        )
        self.assertIn(
            f"6 classes summed to 3 by {self.labels}: of an off-diagonal one "
            "50 % to its query's, 50 % to the teacher's",
            printed,
        )

    def test_what_does_not_fit_is_refused_by_name(self):
        other = label_matrix(self.folder / "other", self.confusion, COLORS, "spl")
        for arguments, words in (
            ([], "m has 6 classes, those of .* among them: .* name their folder, --labels"),
            ([f"--labels_dir={other}"], "class 1 is 'green' in .*/m and 'red\\|green' in .*other/labels"),
            ([f"--labels_dir={self.folder}"], "summary.json does not exist: run spl_tf.label"),
            (
                [f"--labels_dir={self.labels}", "--gin_param=evaluate_model.query_share = 2"],
                "evaluate_model.query_share = 2",
            ),
        ):
            code, _, complaint = self._evaluate(*arguments)
            self.assertEqual(code, 2)
            self.assertRegex(complaint, words)
            self.assertLen(complaint.splitlines(), 1)


if __name__ == "__main__":
    tf.test.main()
