"""Reference features: centres of clusters that are known."""

import numpy as np
import pytest
import tensorflow as tf

from spl_tf.cleaning import references
from spl_tf.cleaning.references import reference_features


class ReferenceFeaturesTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, make_features, monkeypatch):
        self.make_features, self.monkeypatch = make_features, monkeypatch

    def test_references_are_the_means_of_the_clusters_of_a_class(self):
        generator = np.random.default_rng(0)
        corners = np.array([[0, 0, 8], [8, 0, 0], [0, 8, 0]])
        cluster, labels = generator.integers(3, size=300), generator.integers(2, size=300)
        features = (corners[cluster] + generator.random((300, 3))).astype(np.float16)
        found = reference_features(self.make_features(features, labels, sizes=(100, 50)), 2, 3, seed=0)
        for class_id in range(2):
            chosen = labels == class_id
            means = [features[chosen & (cluster == one)].astype(np.float64).mean(axis=0) for one in range(3)]
            order = np.argmax(found[class_id] @ corners.T, axis=1)
            self.assertAllClose(found[class_id], np.array(means)[order], atol=1e-3)
            self.assertCountEqual(order, range(3))

    def test_few_clips_are_the_references_themselves_and_no_clip_is_zeros(self):
        web = self.make_features([[1, 2], [3, 4], [5, 6]], [0, 2, 0])
        found = reference_features(web, 3, 4, seed=0)
        self.assertAllEqual(found[0], [[1, 2], [5, 6], [1, 2], [5, 6]])
        self.assertAllEqual(found[1], np.zeros((4, 2)))
        self.assertAllEqual(found[2], np.tile([3, 4], (4, 1)))

    def test_clips_that_are_all_alike_have_finite_references(self):
        found = reference_features(self.make_features(np.ones((40, 2)), np.zeros(40)), 1, 8, seed=0)
        self.assertAllEqual(found, np.ones((1, 8, 2)))

    def test_of_a_large_class_clips_are_drawn_and_equal_seeds_draw_alike(self):
        self.monkeypatch.setattr(references, "_MOST_CLIPS", 20)
        web = self.make_features(np.random.default_rng(0).random((200, 4)), np.zeros(200))
        first, second, other = (reference_features(web, 1, 20, seed) for seed in (3, 3, 4))
        self.assertAllEqual(first, second)
        self.assertNotAllClose(first, other)
        rows = {tuple(row) for row in web.gather(np.arange(200)).tolist()}
        self.assertLen({tuple(row) for row in first[0].tolist()} & rows, 20)


if __name__ == "__main__":
    tf.test.main()
