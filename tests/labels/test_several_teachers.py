"""Several teachers as one, against a mean clip by clip; files of scores in any order."""

import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import combine
from spl_tf.errors import UserError
from spl_tf.labels import assign
from spl_tf.labels.outside_scores import hashed
from spl_tf.labels.predictions import open_predictions
from spl_tf.labels.several_teachers import combine_teachers
from tests.commands import assert_mistake, run_command
from tests.labels.label_folders import without_figures
from tests.labels.top_scores import CLASSES, read_columns, write_predictions


def spread(scores, k):
    """The k best of a distribution, the rest evenly over the others; float64 loops."""
    order = np.argsort(-scores, kind="stable")
    filled = scores.astype(np.float64).copy()
    if k < len(scores):
        filled[order[k:]] = (1 - filled[order[:k]].sum()) / (len(scores) - k)
    return filled


class SeveralTeachersTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.enter_context(without_figures())
        root = pathlib.Path(self.create_tempdir().full_path)
        self.first, self.second, self.output, self.file = root / "P1", root / "P2", root / "P", root / "s.parquet"
        rng = np.random.default_rng(0)
        self.weak = rng.integers(5, size=300)
        self.scores = rng.dirichlet(np.full(5, 0.5), (3, 300)).astype(np.float32)
        self.sizes = [120, 0, 180]
        for folder, scores in zip((self.first, self.second), self.scores, strict=False):
            write_predictions(folder, CLASSES, self.weak, scores, 3, self.sizes)

    def _write_scores(self, rows, extra=()):
        """The third teacher's, of some clips in this order."""
        ids = [f"clip {row}" for row in rows] + [name for name, _ in extra]
        scores = [self.scores[2][row].tolist() for row in rows] + [values for _, values in extra]
        pq.write_table(pa.table({"clip_id": ids, "scores": pa.array(scores, pa.list_(pa.float32()))}), self.file)

    def _expected(self, rows, weights, k=3):
        """The weighted mean of those teachers that have the clip."""
        means = np.zeros((300, 5))
        for clip in range(300):
            parts = [(weights[0], self.scores[0][clip]), (weights[1], self.scores[1][clip])]
            if clip in rows:
                parts.append((weights[2], self.scores[2][clip]))
            means[clip] = sum(w * spread(own, k) for w, own in parts) / sum(w for w, _ in parts)
        return means

    def _read(self):
        classes, scores, teacher, confidence = read_columns(
            self.output, "top_classes", "top_scores", "teacher", "confidence"
        )
        return np.array(classes), np.array(scores), np.array(teacher), np.array(confidence)

    @parameterized.parameters(((1, 1, 1),), ((2.0, 0.5, 3.0),))
    def test_scores_are_the_weighted_mean_of_all_who_have_the_clip(self, weights):
        rows = np.random.default_rng(1).permutation(300)[:250]
        self._write_scores(rows, extra=[("x@9", [1, 0, 0, 0, 0])])
        found = combine_teachers([self.first, self.second], self.output, scores=[self.file], weights=weights, top_k=3)
        expected = self._expected(set(rows.tolist()), weights)
        classes, scores, teacher, confidence = self._read()
        order = np.argsort(-expected, axis=1, kind="stable")[:, :3]
        self.assertAllClose(scores, np.take_along_axis(expected, order, axis=1), atol=1e-6)
        self.assertAllClose(np.take_along_axis(expected, classes, axis=1), scores, atol=1e-6)
        self.assertAllEqual(teacher, classes[:, 0])
        self.assertAllClose(confidence, scores[:, 0])
        self.assertEqual(found["unscored"], {str(self.file): 50})
        self.assertEqual(found["foreign"], {str(self.file): 1})
        listed = (self.output / "unscored.csv").read_text().splitlines()
        left_out = sorted(set(range(300)) - set(rows.tolist()))
        self.assertEqual(listed, ["clip_id,scores", *(f"clip {row},{self.file}" for row in left_out)])

    def test_the_result_is_a_folder_of_predictions_like_any_other(self):
        combine_teachers([self.first, self.second], self.output, top_k=5)
        self.assertFalse((self.output / "unscored.csv").exists())
        combined = open_predictions(self.output)
        self.assertEqual([each.records for each in combined.shards.values()], self.sizes)
        self.assertEqual(read_columns(self.output, "weak")[0], self.weak.tolist())
        summary = assign.assign_labels(self.output, "mopro", self.output.parent / "L")
        self.assertEqual(summary["clips"], 300)

    def test_stopped_between_shards_it_goes_on_to_the_same_files(self):
        self._write_scores(range(0, 300, 2))
        whole = combine_teachers([self.first, self.second], self.output, scores=[self.file])
        contents = {path.name: path.read_bytes() for path in self.output.iterdir()}
        (self.output / "predictions.json").unlink()
        (self.output / "web-00002-of-00003.parquet").unlink()
        again = combine_teachers([self.first, self.second], self.output, scores=[self.file])
        self.assertEqual(again, whole)
        self.assertEqual({path.name: path.read_bytes() for path in self.output.iterdir()}, contents)
        with self.assertRaisesRegex(UserError, "was predicted with another model"):
            combine_teachers([self.first, self.second], self.output, scores=[self.file], weights=[1, 2, 3])

    @parameterized.parameters(
        ([("clip 3", [0.5, 0.5, 0, 0, 0])], "row 300 has the clip clip 3 again"),
        ([("y", [0.5, 0.5, 0, 0])], "row 300 has 4 scores, there are 5 classes: give one a class"),
        ([("y", [0.5, 0.2, 0, 0, 0])], "row 300 has scores that are no probabilities with the sum 1"),
        ([("y", [1.5, -0.5, 0, 0, 0])], "row 300 has scores that are no probabilities"),
        ([("y", [float("nan"), 1, 0, 0, 0])], "row 300 has scores that are no probabilities"),
        ([(None, [1, 0, 0, 0, 0])], "has empty cells from row 0 on"),
        ([("y", None)], "has empty cells from row 0 on"),
    )
    def test_a_wrong_file_of_scores_is_refused_by_row(self, extra, message):
        self._write_scores(range(300), extra=extra)
        with self.assertRaisesRegex(UserError, f"s.parquet {message}"):
            combine_teachers([self.first], self.output, scores=[self.file])
        self.assertFalse((self.output / "predictions.json").exists())

    def test_what_is_no_such_file_is_refused(self):
        with self.assertRaisesRegex(UserError, "s.parquet"):
            combine_teachers([self.first], self.output, scores=[self.file])
        pq.write_table(pa.table({"clip_id": ["clip 1"], "scores": [3]}), self.file)
        with self.assertRaisesRegex(UserError, "s.parquet is no file of scores: give a Parquet file with the columns"):
            combine_teachers([self.first], self.output, scores=[self.file])
        self.file.write_text("clip_id,scores\n")
        with self.assertRaisesRegex(UserError, "s.parquet is damaged"):
            combine_teachers([self.first], self.output, scores=[self.file])
        self._write_scores([], extra=[("x", [1, 0, 0, 0, 0])])
        with self.assertRaisesRegex(UserError, "s.parquet has no clip of these predictions: its clip_id must be"):
            combine_teachers([self.first], self.output, scores=[self.file])

    def test_teachers_of_other_shards_or_classes_are_refused(self):
        write_predictions(self.second, CLASSES, self.weak, self.scores[1], 3, [130, 0, 170])
        with self.assertRaisesRegex(UserError, "P1 and .*P2 are of other shards .web-00000-of-00003 differs.: give"):
            combine_teachers([self.first, self.second], self.output)
        write_predictions(self.second, list("abcdx"), self.weak, self.scores[1], 3, self.sizes)
        with self.assertRaisesRegex(UserError, "class 4 is 'e' in .*P1 and 'x' in .*P2"):
            combine_teachers([self.first, self.second], self.output)

    def test_the_command(self):
        self._write_scores(range(290), extra=[("x", [1, 0, 0, 0, 0])])
        folders = [f"--predictions={self.first}", f"--predictions={self.second}", f"--output_dir={self.output}"]
        code, out, err = run_command(combine, *folders, f"--scores={self.file}", "--weights=1,1,0.5", "--top_k=9")
        self.assertEqual(code, 0, err)
        self.assertIn("300 clips in 3 side-cars", out)
        self.assertIn("lacks 10 of them, listed in unscored.csv: scored by the others", out)
        self.assertIn("has 1 clips that are not among the predictions: left out", out)
        self.assertEqual(json.loads((self.output / "predictions.json").read_text())["made_by"]["top_k"], 5)
        assert_mistake(run_command(combine, *folders, "--weights=1,x"), "--weights=x: give numbers")
        assert_mistake(run_command(combine, *folders, "--weights=1"), "there are 2 teachers: give 2 weights")
        assert_mistake(run_command(combine, folders[0], folders[2]), "one teacher alone is nothing to combine")

    def test_hashes_depend_on_all_of_a_text_and_on_nothing_else(self):
        texts = ["", "a", "b", "ab", "a\0", "12345678", "123456789", "12345678a", "é" * 40, "é" * 39 + "e"]
        alone = [int(hashed(pa.array([text]))[0]) for text in texts]
        self.assertEqual(alone, hashed(pa.array(texts)).tolist())
        self.assertLen(set(alone), len(texts))
        many = pa.array([f"video{number}@{10 * number}" for number in range(200_000)])
        self.assertLen(np.unique(hashed(many)), 200_000)
        # Each bit is set in half of them.
        bits = (hashed(many)[:, np.newaxis] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
        self.assertAllClose(bits.mean(axis=0), np.full(64, 0.5), atol=0.01)


if __name__ == "__main__":
    tf.test.main()
