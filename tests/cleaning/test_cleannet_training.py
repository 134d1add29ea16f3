"""CleanNet at work: right labels stand out from wrong ones, by what was verified and by nothing else."""

import dataclasses
from unittest import mock

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.cleaning.cleannet_loss import cleannet_loss, cosine_similarity
from spl_tf.cleaning.cleannet_network import class_encoder, log_features, query_encoder
from spl_tf.cleaning.cleannet_training import _make_train_step, cleannet
from spl_tf.cleaning.verified_pairs import make_pairs
from spl_tf.errors import UserError
from spl_tf.labels.confusion import count_pairs
from spl_tf.labels.noise import flip_uniformly

CLASSES, FEATURES = 5, 24


def area_under_curve(values, positive):
    """P(a positive has the larger value)."""
    ranks = np.argsort(np.argsort(values)) + 1
    positives = np.count_nonzero(positive)
    return (ranks[positive].sum() - positives * (positives + 1) / 2) / positives / np.count_nonzero(~positive)


class CleannetTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, make_features):
        generator = np.random.default_rng(0)
        means = generator.normal(size=(CLASSES, FEATURES))

        def draw(truth):
            return np.maximum(0, means[truth] + generator.normal(size=(len(truth), FEATURES)))

        clean_truth, web_truth = (np.repeat(np.arange(CLASSES), clips) for clips in (40, 150))
        weak = flip_uniformly(web_truth, 0.6, CLASSES, generator)
        self.web = make_features(draw(web_truth), weak, sizes=(200, 300))
        self.clean = make_features(draw(clean_truth), clean_truth)
        confusion = count_pairs(weak, web_truth, CLASSES)
        self.pairs = make_pairs(clean_truth, np.full(len(clean_truth), -1), confusion, generator)
        self.right = weak == web_truth

    def _cleannet(self, pairs=None, **options):
        options = {"steps": 400, "num_references": 8} | options
        return cleannet(self.web, self.clean, pairs or self.pairs, num_classes=CLASSES, **options)

    def test_right_labels_stand_out_of_40_percent_wrong_ones(self):
        cosine = self._cleannet()
        self.assertEqual((cosine.shape, cosine.dtype), ((750,), np.float32))
        self.assertAllInRange(cosine, -1.00001, 1.00001)
        self.assertGreater(area_under_curve(cosine, self.right), 0.9)
        # The paper's threshold tells them apart as it is.
        self.assertGreater(np.mean((cosine >= 0.1) == self.right), 0.8)

    def test_shuffled_verification_teaches_nothing(self):
        shuffled = np.random.default_rng(0).permutation(self.pairs.right)
        cosine = self._cleannet(dataclasses.replace(self.pairs, right=shuffled))
        self.assertLess(area_under_curve(cosine, self.right), 0.7)

    def test_equal_seeds_give_equal_similarities(self):
        first, second, other = (self._cleannet(steps=5, seed=seed) for seed in (1, 1, 2))
        self.assertAllEqual(first, second)
        self.assertNotAllClose(first, other)

    def test_a_step_is_sgd_on_the_mean_loss_of_all_pairs_and_the_decay(self):
        generator = np.random.default_rng(1)
        references = tf.constant(generator.random((3, 4, 6)), tf.float32)
        batch = (
            generator.random((8, 6)).astype(np.float32),
            np.array([2, 0, 2, 2, 0, 1, 1, 2], np.int32),
            np.float32([1, 0, 1, 0, 0, 0, 0, 0]),
            np.float32([1, 1, 1, 1, 0, 0, 0, 0]),
        )
        networks = [class_encoder(6, 4, weight_decay=0.1, seed=1), query_encoder(6, weight_decay=0.1, seed=2)]
        variables = [variable for network in networks for variable in network.trainable_variables]
        with tf.GradientTape() as tape:
            losses = []
            for features, class_id, right, verified in zip(*batch, strict=True):  # One pair at a time.
                features = log_features(features[np.newaxis])
                outputs = networks[1](features)
                cosine = cosine_similarity(networks[0](references[class_id][tf.newaxis]), outputs["code"])
                losses.append(cleannet_loss(cosine, right, verified, features, outputs["reconstruction"])[0])
            kernels = [variable for variable in variables if len(variable.shape) == 2]
            loss = sum(losses) / 8 + sum(0.05 * tf.reduce_sum(tf.square(kernel.value)) for kernel in kernels)
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        expected = [variable.numpy() - 0.5 * gradient for variable, gradient in zip(variables, gradients, strict=True)]
        found = _make_train_step(*networks, references, keras.optimizers.SGD(0.5, 0.9))(*batch)
        self.assertAllClose(found, loss, rtol=1e-5)
        for variable, value in zip(variables, expected, strict=True):
            self.assertAllClose(variable, value, atol=1e-5)

    def test_options_are_gin_bindings(self):
        gin.parse_config("cleannet.steps = 0")
        with self.assertRaisesRegex(UserError, "cleannet.steps = 0: give a whole number from 1 upwards"):
            cleannet(self.web, self.clean, self.pairs, num_classes=CLASSES)

    def test_a_whole_number_will_do_for_the_momentum(self):
        self.assertAllEqual(self._cleannet(steps=2, momentum=0), self._cleannet(steps=2, momentum=0.0))

    def test_a_loss_that_is_not_finite_ends_it_with_a_message(self):
        with self.assertRaisesRegex(UserError, "CleanNet's loss is (nan|inf) at step 3: give a smaller"):
            self._cleannet(steps=4, learning_rate=1e30)

    def test_similarities_that_are_not_finite_after_the_last_step_are_not_used(self):
        """The loss is looked at before the last update."""
        with (
            mock.patch("spl_tf.cleaning.cleannet_training._similarities", return_value=np.array([0.5, np.nan])),
            self.assertRaisesRegex(UserError, "CleanNet's cosines are not finite after its last step"),
        ):
            self._cleannet(steps=1)


if __name__ == "__main__":
    tf.test.main()
