"""Steps with several labels a clip, on two replicas and in micro-batches: a loss in which the clips of a batch depend
on each other, and partial labels."""

import keras
import numpy as np
import tensorflow as tf

from spl_tf.hardware.distribution import device_strategy
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.losses.distribution_balanced import distribution_balanced_na2m
from spl_tf.training.objectives.multi_label import MultiLabel
from spl_tf.training.objectives.partial_label import PartialLabel
from spl_tf.training.state import create_state
from spl_tf.training.step import make_train_steps

BATCH, FEATURES, CLASSES, STEPS = 8, 5, 4, 2
COUNTS = ClassCounts(np.array([9, 2, 14, 5]), 20)
WEIGHTS = np.random.default_rng(3).normal(size=(FEATURES, CLASSES))


class _Features(MultiLabel):
    """Rows of numbers in place of clips."""

    def prepare(self, batch):
        return batch["clips"]


class _PartialFeatures(PartialLabel):
    """Likewise."""

    def prepare(self, batch):
        return batch["clips"]


def _batches():
    random = np.random.default_rng(0)
    return {
        "clips": (2 * random.normal(size=(STEPS, BATCH, FEATURES))).astype(np.float32),
        "labels": (random.random((STEPS, BATCH, CLASSES)) < 0.4).astype(np.float32),
        "known": (random.random((STEPS, BATCH, CLASSES)) < 0.9).astype(np.float32),
        "weights": random.random((STEPS, BATCH)).astype(np.float32),
    }


def _train(strategy, batches, objective=None, **options):
    objective = objective or _Features(distribution_balanced_na2m)
    with strategy.scope():
        inputs = keras.Input((FEATURES,))
        network = keras.Model(inputs, {"logits": keras.layers.Dense(CLASSES, name="logits")(inputs)})
        network.set_weights([WEIGHTS, np.zeros(CLASSES)])
        objective.build(CLASSES, 20, COUNTS)
        state = create_state(network, keras.optimizers.SGD(0.1), objective)
    data = tf.data.Dataset.from_tensor_slices(batches).unbatch().batch(BATCH, drop_remainder=True)
    run = make_train_steps(state, strategy, objective, global_batch_size=BATCH, **options)
    trained = run(iter(strategy.experimental_distribute_dataset(data)), tf.constant(STEPS))
    return state.model.get_weights()[0], float(trained.sums["loss"])


class StepTest(tf.test.TestCase):
    def test_two_replicas_train_to_the_weights_of_one(self):
        weights, summed = _train(tf.distribute.get_strategy(), _batches())
        on_two, summed_on_two = _train(device_strategy("mirrored"), _batches())
        self.assertAllClose(on_two, weights, atol=1e-5)
        self.assertAllClose(summed_on_two, summed, rtol=1e-5)
        self.assertNotAllClose(weights, WEIGHTS, atol=1e-2)

    def test_partial_labels_train_on_one_and_two_replicas_as_by_hand(self):
        batches = _batches()
        batches.pop("known")
        batches["labels"][..., 0] = 1  # Every clip has a candidate.
        kernel, bias, summed = WEIGHTS.copy(), np.zeros(CLASSES), 0.0
        for step in range(STEPS):
            d_kernel, d_bias = np.zeros_like(kernel), np.zeros_like(bias)
            rows = (batches[name][step] for name in ("clips", "labels", "weights"))
            for x, candidates, weight in zip(*rows, strict=True):
                scores = np.exp(x.astype(np.float64) @ kernel + bias)
                scores /= scores.sum()
                of_set = scores @ candidates
                summed -= weight * np.log(of_set)
                d_logits = weight * (scores - scores * candidates / of_set) / BATCH
                d_kernel += np.outer(x, d_logits)
                d_bias += d_logits
            kernel, bias = kernel - 0.1 * d_kernel, bias - 0.1 * d_bias
        for strategy in (tf.distribute.get_strategy(), device_strategy("mirrored")):
            weights, loss = _train(strategy, batches, _PartialFeatures())
            self.assertAllClose(weights, kernel, atol=1e-5)
            self.assertAllClose(loss, summed, rtol=1e-4)

    def test_micro_batches_of_equal_clips_train_to_the_same_weights(self):
        # Each has the factor of its own clips: that of the batch, where both halves are equal.
        halves = {name: np.concatenate([rows[:, :4]] * 2, axis=1) for name, rows in _batches().items()}
        weights, _ = _train(tf.distribute.get_strategy(), halves)
        in_two, _ = _train(tf.distribute.get_strategy(), halves, accumulation=2)
        self.assertAllClose(in_two, weights, atol=1e-5)


if __name__ == "__main__":
    tf.test.main()
