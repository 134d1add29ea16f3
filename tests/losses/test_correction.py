"""Forward and Backward correction against sums written out in float64 numpy."""

import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.hardware.distribution import device_strategy, join_batch, split_batch
from spl_tf.losses.correction import backward_correction, forward_correction
from spl_tf.losses.cross_entropy import softmax_cross_entropy
from tests.losses.gradients import value_and_gradient

LABELS = np.array([0, 3, 2, 2, 1, 3])
LOGITS = np.random.default_rng(1).normal(scale=2, size=(6, 4))
TRANSITION = np.array([[0.7, 0.1, 0.2, 0], [0, 0.9, 0.05, 0.05], [0.3, 0.1, 0.6, 0], [0.05, 0.15, 0.2, 0.6]])
LOSSES = (forward_correction, backward_correction)


def _expected(loss, logits, transition=TRANSITION):
    """Loss of each clip in float64, index by index."""
    p = np.clip(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 1e-7, 1 - 1e-7)
    n = len(transition)
    if loss is forward_correction:
        return [-np.log(sum(p[k, i] * transition[i, y] for i in range(n))) for k, y in enumerate(LABELS)]
    # Row y of the inverse solves T^T x = e_y.
    return [-np.linalg.solve(transition.T, np.eye(n)[y]) @ np.log(p[k]) for k, y in enumerate(LABELS)]


def _differences(loss, logits, step=1e-6):
    gradients = np.zeros_like(logits)
    for c in range(logits.shape[1]):
        shift = step * np.eye(logits.shape[1])[c]
        above, below = (np.array(_expected(loss, moved)) for moved in (logits + shift, logits - shift))
        gradients[:, c] = (above - below) / (2 * step)
    return gradients


def _value_and_gradient(loss, logits, labels=LABELS, transition=TRANSITION):
    return value_and_gradient(loss, labels, logits, transition=transition)


class CorrectionTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(*LOSSES)
    def test_values_and_gradients_are_those_of_the_sums(self, loss):
        losses, gradient = _value_and_gradient(loss, LOGITS.astype(np.float32))
        self.assertEqual(losses.dtype, tf.float32)
        self.assertAllClose(losses, _expected(loss, LOGITS), rtol=1e-5, atol=1e-5)
        self.assertAllClose(gradient, _differences(loss, LOGITS), rtol=1e-5, atol=1e-5)

    @parameterized.parameters(*LOSSES)
    def test_without_noise_both_are_cross_entropy(self, loss):
        logits = tf.constant(LOGITS, tf.float32)
        losses, gradient = _value_and_gradient(loss, logits, transition=np.eye(4))
        plain, plain_gradient = value_and_gradient(softmax_cross_entropy, LABELS, logits)
        self.assertAllClose(losses, plain, rtol=1e-5, atol=1e-6)
        self.assertAllClose(gradient, plain_gradient, atol=1e-5)

    def test_backward_is_right_on_average_over_the_noise(self):
        logits = np.tile(LOGITS[:1], (4, 1)).astype(np.float32)
        of_noisy, _ = _value_and_gradient(backward_correction, logits, np.arange(4))
        clean = softmax_cross_entropy(tf.range(4), tf.constant(logits))
        self.assertAllClose(TRANSITION @ of_noisy.numpy(), clean, rtol=1e-5)

    def test_forward_of_the_right_network_is_best(self):
        # Where the softmax equals the clean posterior, the mean gradient over noisy labels is zero.
        clean = np.array([0.1, 0.2, 0.3, 0.4])
        logits = np.tile(np.log(clean), (4, 1)).astype(np.float32)
        _, gradient = _value_and_gradient(forward_correction, logits, np.arange(4))
        self.assertAllClose(clean @ TRANSITION @ gradient.numpy(), np.zeros(4), atol=1e-6)

    def test_probabilities_are_clipped_before_the_product_and_clipped_ones_have_no_gradient(self):
        logits = tf.constant([[60.0, 0.0, 0.0, 0.0]])
        certain = np.array([1 - 1e-7, 1e-7, 1e-7, 1e-7])
        for label in range(4):
            losses, gradient = _value_and_gradient(forward_correction, logits, [label])
            self.assertAllClose(losses, [-np.log(certain @ TRANSITION[:, label])], rtol=1e-5, atol=1e-6)
            self.assertAllEqual(gradient, np.zeros((1, 4)))
            losses, gradient = _value_and_gradient(backward_correction, logits, [label])
            self.assertAllClose(losses, [-np.linalg.inv(TRANSITION)[label] @ np.log(certain)], rtol=1e-5)
            self.assertAllEqual(gradient, np.zeros((1, 4)))

    @parameterized.product(loss=LOSSES, label=[0, 3])
    def test_is_finite_at_extreme_bfloat16_logits(self, loss, label):
        logits = tf.constant([[50.0, -50, -50, -50], [-50, 50, 50, 50], [-50, -50, -50, 50]], tf.bfloat16)
        losses, gradient = _value_and_gradient(loss, logits, [label] * 3)
        self.assertEqual(losses.dtype, tf.float32)
        self.assertAllInRange(losses, -100.0, 100.0)
        self.assertAllInRange(tf.cast(gradient, tf.float32), -10.0, 10.0)

    @parameterized.parameters(*LOSSES)
    def test_two_replicas_give_the_losses_of_one(self, loss):
        strategy = device_strategy("mirrored")
        logits, labels = tf.constant(LOGITS, tf.float32), tf.constant(LABELS, tf.int32)
        split = [split_batch(strategy, values) for values in (logits, labels)]
        both = tf.function(strategy.run)(_value_and_gradient, args=(loss, *split))
        for ours, whole in zip(both, _value_and_gradient(loss, logits), strict=True):
            self.assertAllClose(join_batch(strategy, ours), whole, atol=1e-6)

    @parameterized.parameters(*LOSSES)
    def test_the_matrix_may_be_a_file_or_a_list(self, loss):
        path = pathlib.Path(self.create_tempdir().full_path) / "transition.npy"
        np.save(path, TRANSITION)
        from_array, _ = _value_and_gradient(loss, LOGITS)
        for same in (path, str(path), TRANSITION.tolist()):
            self.assertAllEqual(_value_and_gradient(loss, LOGITS, transition=same)[0], from_array)

    @parameterized.parameters(
        ([[0.9, 0.1]] * 2, "has the shape .2, 2., the network 4 classes"),
        (np.full((4, 4), 0.3), "every row must be a distribution"),
        (np.eye(4) * 2 - 0.25, "every row must be a distribution"),
        (np.full((4, 4), np.nan), "every row must be a distribution"),
        (np.eye(4)[[0, 1, 2, 2]], "column 3 is all zeros"),
        ([[1.0], [0.5, 0.5]], "can't be read"),
        (np.full((4, 4), "a"), "holds no numbers"),
    )
    def test_a_matrix_that_is_none_is_refused(self, transition, message):
        for loss in LOSSES:
            with self.assertRaisesRegex(UserError, message):
                _value_and_gradient(loss, LOGITS, transition=transition)

    def test_a_file_that_holds_none_is_refused_by_name(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "text.npy").write_text("0.9 0.1")
        np.save(folder / "objects.npy", np.array([None]))
        for name in ("missing.npy", "text.npy", "objects.npy"):
            with self.assertRaisesRegex(UserError, f"{name} (does not exist|is damaged).*: give N x N"):
                _value_and_gradient(forward_correction, LOGITS, transition=folder / name)

    def test_only_backward_needs_an_inverse(self):
        singular = np.full((4, 4), 0.25)
        losses, _ = _value_and_gradient(forward_correction, LOGITS, transition=singular)
        self.assertAllClose(losses, np.full(6, np.log(4)), rtol=1e-5)
        with self.assertRaisesRegex(UserError, "singular"):
            _value_and_gradient(backward_correction, LOGITS, transition=singular)
