"""CleanNet's losses against numpy, and their gradients against finite differences."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.cleaning.cleannet_loss import cleannet_loss, cosine_similarity, reconstruction_loss, unverified_loss
from spl_tf.cleaning.cleannet_loss import verified_loss as loss_of_verified


def numeric_gradient(function, values, step=1e-6):
    """d function / d values by central differences, float64."""
    gradient = np.zeros_like(values)
    for place in np.ndindex(values.shape):
        moved = []
        for sign in (1, -1):
            other = values.copy()
            other[place] += sign * step
            moved.append(function(other))
        gradient[place] = (moved[0] - moved[1]) / (2 * step)
    return gradient


def cosine_by_hand(first, second):
    return np.sum(first * second, axis=-1) / np.linalg.norm(first, axis=-1) / np.linalg.norm(second, axis=-1)


class CleannetLossTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        # cosine, right, loss
        (1.0, 1, 0.0),
        (0.3, 1, 0.7),
        (-1.0, 1, 2.0),
        (0.1, 0, 0.0),
        (0.3, 0, 1.0),
        (1.0, 0, 4.5),
        (-0.7, 0, 0.0),
    )
    def test_a_right_pair_is_drawn_together_and_a_wrong_one_apart_up_to_the_margin(self, cosine, right, expected):
        loss = loss_of_verified(tf.constant([cosine], tf.float64), tf.constant([right], tf.float64))
        self.assertAllClose(loss, [expected], atol=1e-12)

    @parameterized.parameters((0.9, 0.1), (0.1, 0.9), (0.0999, 0.0), (-0.5, 0.0))
    def test_an_unverified_pair_is_right_from_the_margin_on_and_else_costs_nothing(self, cosine, expected):
        self.assertAllClose(unverified_loss(tf.constant([cosine], tf.float64)), [expected], atol=1e-12)

    def test_reconstruction_is_summed_over_the_features(self):
        loss = reconstruction_loss(tf.constant([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]]), tf.zeros((2, 3)))
        self.assertAllClose(loss, [14.0, 1.0])

    def test_value_and_gradient_of_the_whole_loss(self):
        generator = np.random.default_rng(0)
        codes, queries, features, reconstruction = generator.normal(size=(4, 12, 5))
        right, verified = np.arange(12) % 2.0, np.repeat([1.0, 0.0], 6)

        def by_hand(codes, queries, reconstruction):
            cosine = cosine_by_hand(codes, queries)
            sure = np.where(right == 1, 1 - cosine, 5 * np.maximum(0, cosine - 0.1))
            unsure = np.where(cosine >= 0.1, 1 - cosine, 0)
            squares = np.square(features - reconstruction).sum(axis=1)
            return np.where(verified == 1, sure, 0.1 * unsure) + 0.1 * squares

        inputs = [tf.constant(values) for values in (codes, queries, reconstruction)]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            cosine = cosine_similarity(inputs[0], inputs[1])
            loss = cleannet_loss(cosine, tf.constant(right), tf.constant(verified), tf.constant(features), inputs[2])
        self.assertAllClose(loss, by_hand(codes, queries, reconstruction), rtol=1e-10)
        cosines = cosine_by_hand(codes, queries)
        self.assertGreater(np.min(np.abs(cosines - 0.1)), 1e-3)  # No kink within a difference.
        for place, gradient in enumerate(tape.gradient(loss, inputs)):
            values = [codes, queries, reconstruction]

            def total(other, place=place, values=values):
                return by_hand(*values[:place], other, *values[place + 1 :]).sum()

            self.assertAllClose(gradient, numeric_gradient(total, values[place]), atol=1e-6)


if __name__ == "__main__":
    tf.test.main()
