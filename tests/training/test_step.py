"""The training step against numpy, and two replicas against one."""

import gin
import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.losses.cross_entropy import softmax_cross_entropy
from spl_tf.training.objectives.single_label import SingleLabel
from spl_tf.training.state import create_state
from spl_tf.training.step import make_train_steps

BATCH, FEATURES, CLASSES = 8, 5, 3


class _Features(SingleLabel):
    """Rows of numbers in place of clips."""

    def prepare(self, batch):
        return batch["clips"]


def _strategy(replicas):
    if replicas == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice())


def _network(weight_decay=0.0):
    inputs = keras.Input((FEATURES,))
    regularizer = keras.regularizers.L2(weight_decay / 2) if weight_decay else None
    logits = keras.layers.Dense(CLASSES, kernel_regularizer=regularizer, name="logits")(inputs)
    network = keras.Model(inputs, {"logits": logits})
    network.set_weights([np.random.default_rng(3).normal(size=(FEATURES, CLASSES)), np.zeros(CLASSES)])
    return network


def _batches(steps, scale=1.0):
    generator = np.random.default_rng(0)
    return {
        "clips": (scale * generator.normal(size=(steps, BATCH, FEATURES))).astype(np.float32),
        "labels": generator.integers(0, CLASSES, (steps, BATCH)).astype(np.int32),
        "weights": generator.random((steps, BATCH)).astype(np.float32),
    }


def _train(steps, *, replicas=1, batches=None, weight_decay=0.0, loops=None, momentum=0.9, **options):
    """Trains a linear classifier; returns (state, sums of the last loop)."""
    average_decay = options.pop("average_decay", None)
    strategy, objective = _strategy(replicas), _Features(softmax_cross_entropy, None)
    with strategy.scope():
        state = create_state(
            _network(weight_decay),
            keras.optimizers.SGD(0.1, momentum=momentum, nesterov=True),
            objective,
            average_decay=average_decay,
        )
    data = tf.data.Dataset.from_tensor_slices(batches or _batches(steps))
    iterator = iter(strategy.experimental_distribute_dataset(data.unbatch().batch(BATCH, drop_remainder=True)))
    run = make_train_steps(state, strategy, objective, global_batch_size=BATCH, **options)
    for num_steps in loops or [steps]:
        trained = run(iterator, tf.constant(num_steps))
    return state, {name: float(value) for name, value in trained.sums.items()}


def _numpy_sgd(steps, *, weight_decay=0.0, clip_norm=None, learning_rate=0.1, momentum=0.9, batches=None):
    """The same training written out: coupled decay on the kernel, Nesterov momentum as Keras defines it."""
    batches = batches or _batches(steps)
    weights = [np.random.default_rng(3).normal(size=(FEATURES, CLASSES)), np.zeros(CLASSES)]
    velocity = [np.zeros_like(weight) for weight in weights]
    for x, y, w in zip(batches["clips"], batches["labels"], batches["weights"], strict=True):
        logits = x @ weights[0] + weights[1]
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        error = (p - np.eye(CLASSES)[y]) * w[:, None] / BATCH
        gradients = [x.T @ error + weight_decay * weights[0], error.sum(axis=0)]
        norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
        if clip_norm is not None:
            gradients = [g * min(1.0, clip_norm / norm) for g in gradients]
        velocity = [momentum * v - learning_rate * g for v, g in zip(velocity, gradients, strict=True)]
        weights = [
            value + momentum * v - learning_rate * g for value, v, g in zip(weights, velocity, gradients, strict=True)
        ]
    return weights


class TrainStepsTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(replicas=[1, 2], accumulation=[1, 2], clip_norm=[None, 0.05], weight_decay=[0.0, 0.3])
    def test_weights_are_those_of_sgd_written_out(self, replicas, accumulation, clip_norm, weight_decay):
        state, sums = _train(
            5, replicas=replicas, accumulation=accumulation, clip_norm=clip_norm, weight_decay=weight_decay
        )
        expected = _numpy_sgd(5, clip_norm=clip_norm, weight_decay=weight_decay)
        for ours, theirs in zip(state.model.get_weights(), expected, strict=True):
            self.assertAllClose(ours, theirs, atol=1e-5)
        self.assertEqual(int(state.step.numpy()), 5)
        self.assertEqual(sums["finite_steps"], 5)
        self.assertAllClose(sums["weight"], _batches(5)["weights"].sum(), rtol=1e-5)

    def test_how_steps_are_grouped_does_not_matter(self):
        whole, _ = _train(6)
        parts, _ = _train(6, loops=[1, 3, 2])
        for a, b in zip(whole.model.get_weights(), parts.model.get_weights(), strict=True):
            self.assertAllEqual(a, b)

    @parameterized.parameters(1, 2)
    def test_the_average_follows_the_weights(self, replicas):
        state, _ = _train(4, replicas=replicas, average_decay=0.5)
        expected = _numpy_sgd(0)
        for step in range(4):
            decay = min(0.5, (1 + step) / (10 + step))
            new = _numpy_sgd(step + 1, batches={k: v[: step + 1] for k, v in _batches(4).items()})
            expected = [decay * kept + (1 - decay) * weight for kept, weight in zip(expected, new, strict=True)]
        trained = state.model.get_weights()
        state.average.swap()
        for ours, theirs in zip(state.model.get_weights(), expected, strict=True):
            self.assertAllClose(ours, theirs, atol=1e-5)
        state.average.swap()
        for ours, theirs in zip(state.model.get_weights(), trained, strict=True):
            self.assertAllEqual(ours, theirs)

    @parameterized.parameters(1, 2)
    def test_a_step_whose_gradient_is_not_finite_is_counted(self, replicas):
        broken = _batches(3)
        broken["clips"][1, 0, 0] = np.inf
        _, sums = _train(3, replicas=replicas, batches=broken)
        self.assertLess(sums["finite_steps"], 3)

    @parameterized.parameters(1, 2)
    def test_the_loss_sees_the_bindings_of_its_stage_on_every_replica(self, replicas):
        gin.bind_parameter("pretrain/softmax_cross_entropy.label_smoothing", 0.5)
        with gin.config_scope("pretrain"):
            _, smoothed = _train(1, replicas=replicas)
        _, plain = _train(1, replicas=replicas)
        logits = _batches(1)["clips"][0] @ np.random.default_rng(3).normal(size=(FEATURES, CLASSES))
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        weights, labels = _batches(1)["weights"][0], _batches(1)["labels"][0]
        on_label = log_p[np.arange(BATCH), labels]
        self.assertAllClose(plain["loss"], -np.sum(weights * on_label), rtol=1e-4)
        self.assertAllClose(smoothed["loss"], -np.sum(weights * (on_label + log_p.mean(axis=1)) / 2), rtol=1e-4)

    def test_a_broken_gradient_is_counted_without_loss_scaling(self):
        broken = _batches(2)
        broken["clips"][1, 0, 0] = np.nan
        _, sums = _train(2, batches=broken)
        self.assertEqual(sums["finite_steps"], 1)
