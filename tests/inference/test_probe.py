"""Probes against closed forms on features taken from the network by hand."""

import dataclasses
import json
import shutil
import sys
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.inference.probe import probe_backbone
from spl_tf.inference.trained_model import load_trained


class ProbeTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, trained_dir, records_by_hand):
        self.shards, self.trained_dir, self.records_by_hand = color_shards, trained_dir, records_by_hand

    def _features(self, name):
        clip_input = load_trained(self.trained_dir).clip_input
        records = self.records_by_hand(self.trained_dir / "model.keras", self.shards / name, clip_input)
        return np.stack([record[6] for record in records]), np.array([record[4][0] for record in records])

    @parameterized.parameters(1, 5)
    def test_neighbours_are_the_nearest_by_angle(self, neighbors):
        (train, train_labels), (test, test_labels) = self._features("target"), self._features("test")
        mean, deviation = train.mean(axis=0), train.std(axis=0)
        deviation[deviation == 0] = 1
        train, test = (train - mean) / deviation, (test - mean) / deviation
        right = 0
        for features, label in zip(test, test_labels, strict=True):
            cosines = train @ features / np.linalg.norm(train, axis=1) / np.linalg.norm(features)
            votes = np.bincount(train_labels[np.argsort(-cosines)[:neighbors]], minlength=3)
            right += votes.argmax() == label
        result = probe_backbone(self.trained_dir, self.shards / "target", self.shards / "test", neighbors=neighbors)
        self.assertEqual(result.knn, right / len(test))

    def test_retrieval_finds_a_clip_of_the_class_among_the_nearest_by_angle(self):
        (train, train_labels), (test, test_labels) = self._features("target"), self._features("test")
        result = probe_backbone(self.trained_dir, self.shards / "target", self.shards / "test")
        ranks = []  # Of the first training clip of its class.
        for features, label in zip(test, test_labels, strict=True):
            angles = [
                np.arccos(np.clip(own @ features / np.linalg.norm(own) / np.linalg.norm(features), -1, 1))
                for own in train
            ]
            ranks.append(next(rank for rank, row in enumerate(np.argsort(angles), 1) if train_labels[row] == label))
        self.assertEqual(result.retrieval, {k: np.mean([rank <= k for rank in ranks]) for k in (1, 5, 10, 20, 50)})
        self.assertEqual(result.retrieval[50], 1.0)

    def test_the_linear_probe_separates_what_it_was_fitted_on_whatever_the_head_says(self):
        """12 clips and 64 features: a linear classifier can tell any three classes apart."""
        result = probe_backbone(self.trained_dir, self.shards / "target", self.shards / "target")
        self.assertEqual(result.linear, 1.0)

    def test_a_head_of_other_classes_is_no_matter_but_other_clips_are(self):
        folder = self.create_tempdir().full_path + "/model"
        shutil.copytree(self.trained_dir, folder, ignore=shutil.ignore_patterns("SHA256SUMS"))
        with open(f"{folder}/model.json", encoding="utf-8") as opened:
            description = json.load(opened)

        def write(**changes):
            with open(f"{folder}/model.json", "w", encoding="utf-8") as opened:
                json.dump(description | changes, opened)

        write(classes=["red|red", "red|green", "green|green"])
        first, second = (
            probe_backbone(model, self.shards / "target", self.shards / "test") for model in (self.trained_dir, folder)
        )
        self.assertEqual(dataclasses.asdict(first), dataclasses.asdict(second))
        write(clip_input=description["clip_input"] | {"fps": 12.0})
        with self.assertRaisesRegex(UserError, "12 "):
            probe_backbone(folder, self.shards / "target", self.shards / "test")

    def test_without_scikit_learn_the_extra_is_named(self):
        with (
            mock.patch.dict(sys.modules, {"sklearn.linear_model": None}),
            self.assertRaisesRegex(UserError, r"pip install 'spl_tf\[probe\]'"),
        ):
            probe_backbone(self.trained_dir, self.shards / "target", self.shards / "test")


if __name__ == "__main__":
    tf.test.main()
