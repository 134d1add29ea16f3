"""What each objective minimises and measures, against Keras and by hand."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.input.targets import TrainingTargets
from spl_tf.errors import UserError
from spl_tf.labels.targets import distributions
from spl_tf.losses.binary_cross_entropy import sigmoid_cross_entropy
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.losses.cross_entropy import softmax_cross_entropy
from spl_tf.training.objectives.multi_label import multi_label
from spl_tf.training.objectives.partial_label import partial_label
from spl_tf.training.objectives.single_label import single_label
from spl_tf.training.objectives.soft_label import soft_label
from tests.labels.several import several_labels

CLIPS, CLASSES = 7, 5
RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 3, (CLIPS, CLASSES)).astype(np.float32)
NAMES = tuple("abcde")
COUNTS = ClassCounts(np.array([3, 1, 4, 1, 5]), CLIPS)


def _table(table, form):
    counts = np.bincount(table.classes, minlength=CLASSES)
    return TrainingTargets(form, NAMES, [np.arange(CLIPS)], counts, table, np.ones(CLIPS, np.float32))


def _built(objective):
    objective.build(CLASSES, CLIPS, COUNTS)
    return objective


class ObjectivesTest(parameterized.TestCase, tf.test.TestCase):
    def _losses_and_gradients(self, objective, batch):
        logits = tf.Variable(LOGITS)
        with tf.GradientTape() as tape:
            losses = objective.losses({"logits": logits}, batch, {}, tf.constant(0.0))
        return losses, tape.gradient(losses, logits)

    def test_one_label_is_the_cross_entropy_of_softmax_scores(self):
        labels = RANDOM.integers(0, CLASSES, CLIPS)
        losses, gradients = self._losses_and_gradients(single_label(), {"labels": tf.constant(labels, tf.int32)})
        expected = keras.losses.sparse_categorical_crossentropy(labels, LOGITS, from_logits=True)
        self.assertAllClose(losses, expected)
        self.assertAllClose(gradients, tf.nn.softmax(LOGITS) - np.eye(CLASSES)[labels])
        measured = single_label().measures({"logits": LOGITS}, {"labels": tf.constant(labels, tf.int32)})
        self.assertAllEqual(measured["accuracy"], LOGITS.argmax(axis=1) == labels)

    def test_a_distribution_is_looked_up_and_its_cross_entropy_is_keras(self):
        probabilities = RANDOM.dirichlet(np.full(CLASSES, 0.5), CLIPS).astype(np.float32)
        probabilities[0] = [0, 1, 0, 0, 0]
        batch = _table(distributions(probabilities), "distribution").look_up({"index": tf.range(CLIPS, dtype=tf.int64)})
        self.assertAllClose(batch["labels"], probabilities)
        losses, gradients = self._losses_and_gradients(soft_label(), batch)
        self.assertAllClose(losses, keras.losses.categorical_crossentropy(probabilities, LOGITS, from_logits=True))
        self.assertAllClose(gradients, tf.nn.softmax(LOGITS) - probabilities, atol=1e-6)
        accuracy = soft_label().measures({"logits": LOGITS}, batch)["accuracy"]
        self.assertAllEqual(accuracy, LOGITS.argmax(axis=1) == probabilities.argmax(axis=1))
        self.assertEqual(soft_label().describe({"labels": probabilities[:1]}, NAMES), ["b, 100%"])

    def test_several_labels_are_binary_cross_entropies_of_the_classes_that_are_known(self):
        classes = [[0, 3], [], [4], [1], [0, 1, 2, 3, 4], [2], [3]]
        masked = [[1], [], [0, 1, 2, 3], [], [], [0, 1, 3, 4], [0, 1, 2, 4]]
        order = np.array([3, 0, 6, 2, 1, 5, 4])
        batch = _table(several_labels(classes, masked), "several").look_up({"index": tf.constant(order)})
        labels = np.array([[index in classes[clip] for index in range(CLASSES)] for clip in order], np.float32)
        known = np.array([[index not in masked[clip] for index in range(CLASSES)] for clip in order], np.float32)
        self.assertAllEqual(batch["labels"], labels)
        self.assertAllEqual(batch["known"], known)
        losses, gradients = self._losses_and_gradients(_built(multi_label()), batch)
        scores = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))
        each = -(labels * np.log(scores) + (1 - labels) * np.log(1 - scores))
        self.assertAllClose(losses, [row[own > 0].mean() for row, own in zip(each, known, strict=True)])
        self.assertAllClose(gradients, known * (scores - labels) / known.sum(axis=1, keepdims=True), atol=1e-6)
        hits = multi_label().measures({"logits": LOGITS}, batch)["hit_at_1"]
        self.assertAllEqual(hits, labels[np.arange(CLIPS), LOGITS.argmax(axis=1)])
        self.assertEqual(multi_label().describe({"labels": labels[:2]}, NAMES), ["b", "a, d"])

    def test_a_loss_of_several_labels_is_told_the_epoch_and_the_counts(self):
        def loss(labels, logits, known, epoch, counts):
            return tf.reduce_sum(logits * counts.clips, axis=1) + epoch + counts.total

        batch = {"labels": tf.zeros([CLIPS, CLASSES]), "known": tf.ones([CLIPS, CLASSES])}
        losses, _ = self._losses_and_gradients(_built(multi_label(loss=loss)), batch)
        self.assertAllClose(losses, LOGITS @ COUNTS.clips + CLIPS)

    @parameterized.parameters((single_label, sigmoid_cross_entropy), (multi_label, softmax_cross_entropy))
    def test_a_loss_of_another_objective_is_refused(self, objective, loss):
        with self.assertRaisesRegex(UserError, f"{loss.__name__} is no loss of this objective, .*labels, logits"):
            objective(loss=loss)

    def test_candidates_are_one_target(self):
        candidates = np.float32([[1, 0, 1, 0, 0], [0, 1, 0, 0, 0]] * 4)[:CLIPS]
        losses, gradients = self._losses_and_gradients(partial_label(), {"labels": tf.constant(candidates)})
        scores = np.exp(LOGITS.astype(np.float64))
        scores /= scores.sum(axis=1, keepdims=True)
        of_set = (scores * candidates).sum(axis=1, keepdims=True)
        self.assertAllClose(losses, -np.log(of_set[:, 0]))
        self.assertAllClose(gradients, scores - scores * candidates / of_set, atol=1e-6)
        hits = partial_label().measures({"logits": LOGITS}, {"labels": tf.constant(candidates)})["hit_at_1"]
        self.assertAllEqual(hits, candidates[np.arange(CLIPS), LOGITS.argmax(axis=1)])
        self.assertEqual(partial_label().describe({"labels": candidates[:2]}, NAMES), ["a or c", "b"])

    @parameterized.parameters(single_label, soft_label, multi_label, partial_label)
    def test_what_is_measured_is_what_is_announced(self, builder):
        objective = builder()
        labels = tf.zeros([CLIPS], tf.int32) if objective.target == "single" else tf.ones([CLIPS, CLASSES]) / CLASSES
        measures = objective.measures({"logits": LOGITS}, {"labels": labels, "known": tf.ones([CLIPS, CLASSES])})
        self.assertEqual(tuple(measures), objective.measured)
        for values in measures.values():
            self.assertEqual((values.shape, values.dtype), ((CLIPS,), tf.float32))


if __name__ == "__main__":
    tf.test.main()
