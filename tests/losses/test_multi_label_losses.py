"""What holds for every loss of several labels: extreme scores, unknown classes, precision, replicas."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.hardware.distribution import device_strategy, join_batch, split_batch
from spl_tf.losses.asymmetric import asymmetric
from spl_tf.losses.binary_cross_entropy import sigmoid_cross_entropy
from spl_tf.losses.distribution_balanced import distribution_balanced, distribution_balanced_na2m
from spl_tf.losses.focal import focal
from spl_tf.losses.large_loss_rejection import large_loss_rejection
from spl_tf.losses.splc import splc
from tests.losses.multi_label_cases import CLASSES, CLIPS, COUNTS, KNOWN, LABELS, LOGITS, value_and_gradient

LOSSES = (
    asymmetric,
    distribution_balanced,
    distribution_balanced_na2m,
    focal,
    large_loss_rejection,
    sigmoid_cross_entropy,
    splc,
)
EPOCH = 20.0  # 4 % of the losses are rejected.


class MultiLabelLossesTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(loss=LOSSES, dtype=[tf.float32, tf.bfloat16])
    def test_is_finite_and_float32_at_extreme_logits(self, loss, dtype):
        logits = np.where(np.random.default_rng(0).random((CLIPS, CLASSES)) < 0.5, 1e4, -1e4)
        for some in (logits, np.full_like(logits, 1e4), np.full_like(logits, -1e4), np.zeros_like(logits)):
            losses, gradient = value_and_gradient(loss, logits=some, epoch=EPOCH, dtype=dtype)
            self.assertEqual(losses.dtype, tf.float32)
            self.assertAllInRange(losses, 0.0, 3e6)
            self.assertAllInRange(tf.cast(gradient, tf.float32), -300.0, 300.0)

    @parameterized.parameters(*LOSSES)
    def test_classes_of_which_nothing_is_known_count_neither_way(self, loss):
        losses, gradient = value_and_gradient(loss, epoch=EPOCH)
        others = np.where(KNOWN > 0, LOGITS, 50.0)
        changed, _ = value_and_gradient(loss, np.where(KNOWN > 0, LABELS, 1.0).astype(np.float32), others, epoch=EPOCH)
        self.assertAllEqual(changed, losses)
        self.assertAllEqual(gradient[KNOWN == 0], np.zeros(int((KNOWN == 0).sum())))
        self.assertEqual(losses[7], 0.0)  # The clip of which nothing is known.

    @parameterized.parameters(*LOSSES)
    def test_bfloat16_logits_are_computed_in_float32(self, loss):
        logits = tf.cast(LOGITS, tf.bfloat16)
        exact, _ = value_and_gradient(loss, logits=tf.cast(logits, tf.float32), epoch=EPOCH)
        self.assertAllEqual(value_and_gradient(loss, logits=logits, epoch=EPOCH, dtype=tf.bfloat16)[0], exact)

    @parameterized.parameters(*LOSSES)
    def test_two_replicas_give_the_losses_and_gradients_of_one(self, loss):
        def on_replica(labels, logits, known):
            with tf.GradientTape() as tape:
                tape.watch(logits)
                losses = loss(labels, logits, known, tf.constant(EPOCH), COUNTS)
            return losses, tape.gradient(losses, logits)

        strategy = device_strategy("mirrored")
        split = [split_batch(strategy, tf.constant(values, tf.float32)) for values in (LABELS, LOGITS, KNOWN)]
        ours = tf.function(strategy.run, autograph=False)(on_replica, args=split)
        losses, gradient = value_and_gradient(loss, epoch=EPOCH)
        self.assertAllClose(join_batch(strategy, ours[0]), losses, rtol=1e-6)
        self.assertAllClose(join_batch(strategy, ours[1]), gradient, rtol=1e-5, atol=1e-6)


if __name__ == "__main__":
    tf.test.main()
