"""Merging of cells by what the teacher sees in them, against the definition written out."""

import itertools
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from scipy.spatial.distance import jensenshannon

from spl_tf import labels
from spl_tf.errors import UserError
from spl_tf.labels import information_bottleneck
from spl_tf.labels.targets import DISCARDED

CLASSES = ("run", "jump", "swim", "dive")


def _made(seed, num_classes=4, empty=0.3):
    """Counts and mean distributions of the teacher, whose highest score is that of the prediction."""
    generator = np.random.default_rng(seed)
    confusion = generator.integers(1, 60, (num_classes, num_classes)) * (generator.random((num_classes,) * 2) > empty)
    scores = generator.dirichlet(np.ones(num_classes), (num_classes, num_classes))
    scores += np.eye(num_classes)
    return confusion, scores / scores.sum(axis=-1, keepdims=True)


def _by_definition(confusion, scores, num_left):
    """Sets of cells: pairs are looked at one by one, by Jensen and Shannon's divergence."""
    cells = [cell for cell in np.ndindex(confusion.shape) if confusion[cell] or cell[0] == cell[1]]
    clusters = [([cell], float(confusion[cell]), scores[cell]) for cell in cells]

    def loss(first, second):
        (_, one, p), (_, other, q) = first, second
        total = one + other
        if not one or not other:
            return 0.0
        m = (one * p + other * q) / total
        return one * np.sum(p * np.log(p / m)) + other * np.sum(q * np.log(q / m))

    def diagonal(cluster):
        return any(query == seen for query, seen in cluster[0])

    while len(clusters) > num_left:
        pairs = [pair for pair in itertools.combinations(clusters, 2) if not all(map(diagonal, pair))]
        if not pairs:
            break
        first, second = min(pairs, key=lambda pair: loss(*pair))
        total = first[1] + second[1]
        mean = (first[1] * first[2] + second[1] * second[2]) / max(total, 1e-9)
        rest = [cluster for cluster in clusters if cluster is not first and cluster is not second]
        clusters = [*rest, (first[0] + second[0], total, mean)]
    return {frozenset(cluster[0]) for cluster in clusters}


def _clusters(table):
    cells = [cell for cell in np.ndindex(table.shape) if table[cell] != DISCARDED]
    return {frozenset(cell for cell in cells if table[cell] == number) for number in {table[cell] for cell in cells}}


class InformationBottleneckTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(seed=tuple(range(6)), num_labels=(4, 6, 9))
    def test_clusters_are_those_of_the_definition(self, seed, num_labels):
        confusion, scores = _made(seed)
        confusion[np.diag_indices(4)] += 1
        expected = _by_definition(confusion, scores, num_labels)
        found = labels.spl_ib(confusion, CLASSES, scores, num_labels=num_labels)
        self.assertEqual(_clusters(found.table), expected)
        self.assertEqual(found.table[np.diag_indices(4)].tolist(), [0, 1, 2, 3])
        self.assertLen(found.class_names, len(expected))

    def test_a_loss_is_the_divergence_of_jensen_and_shannon(self):
        p, q = np.random.default_rng(0).dirichlet(np.ones(5), 2)
        (found,) = information_bottleneck._losses(3 * p, 3 * q[np.newaxis])
        self.assertAllClose(found, 6 * jensenshannon(p, q) ** 2)

    def test_cells_in_which_the_teacher_sees_alike_are_one_class(self):
        """Swim queried and dive seen looks like dive queried and swim seen; jump for run like nothing else."""
        confusion = np.array([[90, 30, 0, 0], [0, 80, 0, 0], [0, 0, 60, 25], [0, 0, 20, 70]])
        scores = np.tile(np.eye(4), (4, 1, 1))
        scores[2, 3] = scores[3, 2] = [0, 0, 0.5, 0.5]
        scores[0, 1] = [0.5, 0.5, 0, 0]
        found = labels.spl_ib(confusion, CLASSES, scores, num_labels=6)
        self.assertEqual(found.class_names, (*CLASSES, "swim|dive", "run|jump"))
        self.assertEqual(found.table.tolist(), [[0, 5, -1, -1], [-1, 1, -1, -1], [-1, -1, 2, 4], [-1, -1, 4, 3]])
        self.assertFalse(found.merges.any())

    def test_of_many_cells_the_smallest_join_the_nearest_first(self):
        confusion, scores = _made(3, num_classes=6, empty=0.0)
        classes = tuple("abcdef")
        with mock.patch.object(information_bottleneck, "_MOST_CELLS", 20):
            found = labels.spl_ib(confusion, classes, scores, num_labels=20)
        counts = np.where(np.eye(6, dtype=bool), confusion.max() + 1, confusion)
        largest = {divmod(int(cell), 6) for cell in np.argsort(-counts, axis=None, kind="stable")[:20]}
        heads = {max(cluster, key=lambda cell: counts[cell]) for cluster in _clusters(found.table)}
        self.assertLen(heads, 20)
        self.assertLen(largest - heads, 0)

    def test_every_clip_has_a_class_and_empty_diagonals_keep_theirs(self):
        confusion, scores = _made(1)
        confusion[2, 2] = 0
        found = labels.spl_ib(confusion, CLASSES, scores)
        self.assertLen(found.class_names, 8)
        self.assertEqual(found.table[2, 2], 2)
        self.assertAllEqual(found.table[confusion > 0] >= 0, np.ones(np.count_nonzero(confusion), bool))
        totals = np.bincount(found.table[found.table >= 0], confusion[found.table >= 0])
        self.assertAllEqual(totals[4:], np.sort(totals[4:])[::-1])

    @parameterized.parameters(3, 17)
    def test_numbers_of_classes_that_cannot_be(self, num_labels):
        confusion, scores = _made(0)
        with self.assertRaisesRegex(UserError, f"num_labels is {num_labels}, but spl_ib over 4 classes makes 4 to 16"):
            labels.spl_ib(confusion, CLASSES, scores, num_labels=num_labels)


if __name__ == "__main__":
    tf.test.main()
