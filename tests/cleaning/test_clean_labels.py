"""Cleaned labels as a folder: what is kept, what training and the report read of it, and what is refused."""

import json
import shutil
from unittest import mock

import gin
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.cleaning import clean_labels as module
from spl_tf.cleaning.clean_labels import clean_labels, hard_weights, require_method_options, soft_weights
from spl_tf.data.dataset import load_dataset
from spl_tf.data.input.targets import join_targets
from spl_tf.data.sidecars import open_labels_of
from spl_tf.errors import UserError
from spl_tf.experiment.sets import WebSet
from spl_tf.experiment.table import Result
from spl_tf.inference.features import clip_features
from spl_tf.inference.prediction import predict_clips
from spl_tf.labels.assign import assign_labels
from spl_tf.labels.label_folder import read_confusion
from spl_tf.labels.summary_text import report
from spl_tf.report.cells import read_matrix
from spl_tf.report.collect import Recipe, read_labels_of
from spl_tf.report.labels import coverage_section, fates_section, tail_section

SMALL = ("cleannet.steps = 60", "cleannet.num_references = 6", "clip_features.precision = 'float32'")


def column(folder, name):
    """A column of all side-cars."""
    return np.concatenate([pq.read_table(path)[name].to_numpy() for path in sorted(folder.glob("*.parquet"))])


class WeightsTest(tf.test.TestCase):
    def test_weights_of_cosines(self):
        cosine = np.float32([-0.5, 0.0, 0.05, 0.1, 0.7])
        self.assertAllEqual(soft_weights(cosine), np.float32([0, 0, 0.05, 0.1, 0.7]))
        self.assertAllEqual(hard_weights(cosine, threshold=0.1), [0, 0, 0, 1, 1])
        gin.parse_config("hard_weights.threshold = 0.5")
        self.assertAllEqual(hard_weights(cosine), [0, 0, 0, 0, 1])


@pytest.fixture(scope="module")
def taught(colour_teacher, color_shards, tmp_path_factory):
    """A folder with the teacher's features and predictions."""
    folder = tmp_path_factory.mktemp("taught")
    for name, shards in (("web", "web"), ("clean", "target")):
        options = {"precision": "float32", "batch_size": 36}
        clip_features(colour_teacher, color_shards / shards, folder / "features" / name, **options)
    predict_clips(colour_teacher, color_shards / "web", folder / "P", precision="float32")
    return folder


class CleanLabelsTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, colour_teacher, color_shards, taught, tmp_path):
        self.teacher, self.shards, self.folder = colour_teacher, color_shards, tmp_path
        self.web, self.features, self.predictions = color_shards / "web", taught / "features", taught / "P"
        gin.parse_config(SMALL)

    def _clean(self, method, folder="L", **options):
        options = {"web": self.web, "clean": self.shards / "target"} | options
        arguments = {"method": method, "folder": self.folder / folder, "features_dir": self.features}
        return clean_labels(self.teacher, **arguments | options)

    def _joined(self, folder="L"):
        """Rows, labels and weights as training reads them, over all shards."""
        dataset = load_dataset(self.web)
        targets = join_targets(dataset, open_labels_of(dataset, self.folder / folder))
        rows = np.concatenate([own + shard.start for own, shard in zip(targets.rows, dataset.shards, strict=True)])
        return targets.table.labels[rows], targets.weights[rows]

    def _cosines(self, cosine):
        return mock.patch.object(module, "cleannet", return_value=np.float32(cosine))

    def test_soft_weights_are_the_cosines_and_labels_the_queries(self):
        cosine = np.linspace(-0.5, 1, 72)
        with self._cosines(cosine):
            summary = self._clean("cleannet_soft")
        weak = column(self.predictions, "weak")
        labels, weights = self._joined()
        self.assertAllEqual(labels, weak[cosine > 0])
        self.assertAllClose(weights, cosine[cosine > 0])
        self.assertEqual(summary["kept"], np.count_nonzero(cosine > 0))
        self.assertEqual(summary["counts"], np.bincount(weak[cosine > 0], minlength=3).tolist())
        self.assertEqual(sum(shard["kept"] for shard in summary["shards"].values()), summary["kept"])

    def test_hard_weights_are_one_from_the_threshold_on(self):
        gin.parse_config("hard_weights.threshold = 0.25")
        with self._cosines(np.linspace(-0.5, 1, 72)):
            summary = self._clean("cleannet_hard")
        labels, weights = self._joined()
        self.assertAllEqual(weights, np.ones(36))
        self.assertEqual((len(labels), summary["kept"], summary["discarded"]), (36, 36, 36))

    def test_the_summary_has_the_entries_of_other_labels_and_the_same_matrix(self):
        with self._cosines(np.linspace(-0.5, 1, 72)):
            summary = self._clean("cleannet_soft")
        other = assign_labels(self.predictions, "weak", self.folder / "W")
        self.assertEqual(summary, json.loads((self.folder / "L" / "summary.json").read_text()))
        # What a strategy is expected to make of a cell says nothing of labels that go by features.
        self.assertEqual(summary.keys(), other.keys() - {"expected"} | {"cleaning"})
        for name in ("class_names", "num_classes", "clips", "noise_ratio", "query_agreement", "min_confidence"):
            self.assertEqual(summary[name], other[name])
        self.assertEqual(summary["strategy"], "cleannet_soft")
        self.assertEqual(summary["samples_cover_ratio"], summary["kept"] / 72)
        # The 12 clean clips are no web clips: each is right once and wrong once.
        expected = {"right_pairs": 12, "wrong_pairs": 12, "both_labelled": 0, "seed": 0}
        self.assertEqual({name: summary["cleaning"][name] for name in expected}, expected)
        for folder in ("L", "W"):
            classes, confusion = read_confusion(self.folder / folder)
            self.assertEqual(classes, ("red", "green", "blue"))
            self.assertAllEqual(confusion, read_confusion(self.folder / "L")[1])
        self.assertIn("cleannet_soft: 3 classes", report(summary, confusion))

    def test_cleannet_keeps_more_right_labels_than_wrong_ones(self):
        gin.parse_config("cleannet.steps = 600")
        summary = self._clean("cleannet_hard")
        self.assertLess(summary["kept"], 72)
        labels = column(self.folder / "L", "label")
        truth = column(self.predictions, "teacher")
        kept = labels >= 0
        self.assertGreater(np.mean(labels[kept] == truth[kept]), 1 - summary["noise_ratio"] + 0.05)

    def test_confident_learning_leaves_out_what_cleanlab_finds_and_needs_no_clean_set(self):
        find_label_issues = pytest.importorskip("cleanlab.filter", reason="cleanlab is not installed").find_label_issues
        summary = self._clean("confident_learning", clean=None)
        clips = clip_features(self.teacher, self.web, self.features / "web")
        wrong = find_label_issues(clips.labels, clips.scores(), n_jobs=1)
        self.assertBetween(np.count_nonzero(wrong), 5, 60)
        labels, weights = self._joined()
        self.assertAllEqual(labels, clips.labels[~wrong])
        self.assertAllEqual(weights, np.ones(len(labels)))
        self.assertEqual(summary["discarded"], np.count_nonzero(wrong))

    def test_a_second_run_writes_the_same_labels(self):
        contents = []
        gin.parse_config("cleannet.steps = 10")
        for _ in range(2):
            self._clean("cleannet_soft")
            contents.append([path.read_bytes() for path in sorted((self.folder / "L").glob("*.parquet"))])
        self.assertEqual(*contents)
        self.assertLen(contents[0], 3)

    def test_the_report_reads_them_as_any_other_labels(self):
        seed = self.folder / "seed0"
        web = WebSet(self.folder / "shards" / "web", seed / "predictions", seed / "teacher")
        recipe = Recipe(
            self.folder, [Result("cleannet_hard", 0, 1, 3, 43, 0.5, 0.6, {"top_1": 0.9}, "top_1", 1.0, web)]
        )
        (self.folder / "shards").mkdir()
        (self.folder / "shards" / "web").symlink_to(self.web)
        shutil.copytree(self.predictions, seed / "predictions")
        with self._cosines(np.linspace(-0.5, 1, 72)):
            self._clean("cleannet_hard", seed / "cleannet_hard" / "labels")
        self.assertEqual([(labels.name, labels.kept) for labels in read_labels_of(recipe, 0)], [("cleannet_hard", 43)])
        matrix = read_matrix(recipe)
        self.assertEqual(int(matrix.fates[0].kept.sum()), 43)
        for section in (fates_section(recipe, matrix), tail_section(recipe)):
            self.assertIn("cleannet_hard", section.markup)
        self.assertNotEmpty(coverage_section(recipe, matrix).markup)

    def test_nothing_kept_is_refused_and_no_labels_are_left(self):
        with self._cosines(np.full(72, -1.0)), self.assertRaisesRegex(UserError, "finds no right label"):
            self._clean("cleannet_soft")
        self.assertFalse((self.folder / "L").exists())

    @parameterized.parameters(
        ({"method": "cleannet"}, "there is no method 'cleannet': did you mean cleannet_"),
        ({"method": "cleannet_soft", "clean": None}, "cleannet_soft needs a clean set: give --clean_shards"),
    )
    def test_mistakes_are_told_before_the_teacher_runs(self, arguments, message):
        with mock.patch.object(module, "clip_features") as features, self.assertRaisesRegex(UserError, message):
            self._clean(**arguments)
        features.assert_not_called()

    @parameterized.parameters(
        ("steps = 0", "cleannet.steps = 0: give a whole number from 1"),
        ("num_references = 1.5", "cleannet.num_references = 1.5: give a whole number from 1"),
        ("batch_size = True", "cleannet.batch_size = True: give a whole number from 1"),
        ("learning_rate = -1", "cleannet.learning_rate = -1: give a number above 0"),
        ("momentum = 1.1", "cleannet.momentum = 1.1: give a number from 0 to 1"),
        ("weight_decay = 'a'", "cleannet.weight_decay = 'a': give a number from 0"),
    )
    def test_options_of_cleannet_are_checked_before_the_teacher_runs(self, binding, message):
        require_method_options("cleannet_soft")
        gin.parse_config(f"cleannet.{binding}")
        with mock.patch.object(module, "clip_features") as features, self.assertRaisesRegex(UserError, message):
            self._clean("cleannet_soft")
        features.assert_not_called()
        with self.assertRaisesRegex(UserError, message):
            require_method_options("cleannet_hard")

    def test_the_web_shards_and_the_teacher_are_no_folders_for_labels(self):
        for folder, message in ((self.web, "holds shards"), (self.teacher, "holds a model")):
            with mock.patch.object(module, "clip_features") as features, self.assertRaisesRegex(UserError, message):
                self._clean("cleannet_soft", folder)
            features.assert_not_called()

    def test_a_folder_of_predictions_is_not_overwritten(self):
        message = "holds predictions, which labels would overwrite"
        with mock.patch.object(module, "clip_features") as features, self.assertRaisesRegex(UserError, message):
            self._clean("cleannet_soft", self.predictions)
        features.assert_not_called()

    @parameterized.parameters(
        ({"multi_label": True}, "several labels per clip"),
        ({"clips_per_class": {"red": 24, "green": 24, "blue": 22}}, "has 2 clips without a label"),
    )
    def test_clips_without_exactly_one_label_are_refused_before_the_teacher_runs(self, entries, message):
        web = shutil.copytree(self.web, self.folder / "web", ignore=shutil.ignore_patterns("SHA256SUMS"))
        (web / "dataset.json").write_text(json.dumps(json.loads((web / "dataset.json").read_text()) | entries))
        with mock.patch.object(module, "clip_features") as features, self.assertRaisesRegex(UserError, message):
            self._clean("cleannet_soft", web=web)
        features.assert_not_called()


if __name__ == "__main__":
    tf.test.main()
