"""What a step minimises beside the plain loss: losses that know the epoch, and Data Parameters; against numpy."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.losses.class_counts import ClassCounts
from spl_tf.losses.cross_entropy import softmax_cross_entropy
from spl_tf.losses.data_parameters import DataParameters
from spl_tf.training.objectives.single_label import SingleLabel
from spl_tf.training.state import create_state
from spl_tf.training.step import make_train_steps

BATCH, FEATURES, CLASSES, CLIPS, STEPS = 8, 5, 3, 11, 6
COUNTS = ClassCounts(np.array([5, 4, 2]), CLIPS)
WEIGHTS = np.random.default_rng(3).normal(size=(FEATURES, CLASSES))


def _strategy(replicas):
    if replicas == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice())


def _batches():
    generator = np.random.default_rng(0)
    return {
        "clips": (3 * generator.normal(size=(STEPS, BATCH, FEATURES))).astype(np.float32),
        "labels": generator.integers(0, CLASSES, (STEPS, BATCH)).astype(np.int32),
        "weights": generator.random((STEPS, BATCH)).astype(np.float32),
        "index": generator.integers(0, CLIPS, (STEPS, BATCH)).astype(np.int64),  # Some clips come twice in a batch.
    }


class _Features(SingleLabel):
    """Rows of numbers in place of clips."""

    def prepare(self, batch):
        return batch["clips"]


def _train(replicas, loss=softmax_cross_entropy, data_parameters=None, **options):
    strategy, objective = _strategy(replicas), _Features(loss, data_parameters)
    with strategy.scope():
        inputs = keras.Input((FEATURES,))
        network = keras.Model(inputs, {"logits": keras.layers.Dense(CLASSES, name="logits")(inputs)})
        network.set_weights([WEIGHTS, np.zeros(CLASSES)])
        objective.build(CLASSES, CLIPS, COUNTS)
        state = create_state(network, keras.optimizers.SGD(0.1), objective)
    data = tf.data.Dataset.from_tensor_slices(_batches()).unbatch().batch(BATCH, drop_remainder=True)
    run = make_train_steps(state, strategy, objective, global_batch_size=BATCH, **options)
    trained = run(iter(strategy.experimental_distribute_dataset(data)), tf.constant(STEPS))
    return state, {name: float(value) for name, value in trained.sums.items()}


def _by_hand(mode):
    """SGD and SparseSGD written out, clip by clip."""
    kernel, bias = WEIGHTS.copy(), np.zeros(CLASSES)
    sizes, rates = {"class": CLASSES, "instance": CLIPS}, {"class": 0.1, "instance": 0.2}
    kinds = ("class", "instance") if mode == "joint" else (mode,)
    initial = {"class": 0.0, "instance": np.log(0.5) if mode == "joint" else 0.0}
    s = {kind: np.full(sizes[kind], initial[kind]) for kind in kinds}
    velocity = {kind: np.zeros(sizes[kind]) for kind in kinds}
    decay = {"class": 0.01, "instance": 0.02}
    batches = _batches()
    for step in range(STEPS):
        d_kernel, d_bias = np.zeros_like(kernel), np.zeros_like(bias)
        d_s = {kind: np.zeros(sizes[kind]) for kind in kinds}
        for x, y, w, i in zip(*(batches[name][step] for name in ("clips", "labels", "weights", "index")), strict=True):
            entry = {"class": y, "instance": i}
            tau = sum(np.exp(s[kind][entry[kind]]) for kind in kinds)
            z = x.astype(np.float64) @ kernel + bias
            p = np.exp(z / tau - (z / tau).max())
            p /= p.sum()
            d_z = w * (p - np.eye(CLASSES)[y]) / tau / BATCH
            d_kernel += np.outer(x, d_z)
            d_bias += d_z
            d_tau = w * (z[y] - p @ z) / tau**2 / BATCH
            for kind in kinds:
                value = s[kind][entry[kind]]
                d_s[kind][entry[kind]] += d_tau * np.exp(value) + decay[kind] * value
        kernel, bias = kernel - 0.1 * d_kernel, bias - 0.1 * d_bias
        for kind in kinds:
            moved = d_s[kind] != 0
            velocity[kind] = np.where(moved, 0.9 * velocity[kind] + d_s[kind], velocity[kind])
            limit = np.log(20.0)
            s[kind] = np.where(moved, np.clip(s[kind] - rates[kind] * velocity[kind], -limit, limit), s[kind])
    return kernel, s


class DataParametersStepTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(mode=("class", "instance", "joint"), options=((1, 1), (1, 2), (2, 1), (2, 2)))
    def test_weights_and_temperatures_are_those_written_out(self, mode, options):
        replicas, accumulation = options

        def data_parameters(num_classes, num_clips):
            return DataParameters(
                num_classes,
                num_clips,
                mode=mode,
                class_weight_decay=0.01,
                instance_weight_decay=0.02,
                instance_initial=0.5 if mode == "joint" else 1.0,
            )

        state, sums = _train(replicas, data_parameters=data_parameters, accumulation=accumulation)
        kernel, s = _by_hand(mode)
        self.assertAllClose(state.model.get_weights()[0], kernel, atol=2e-5)
        for kind, values in s.items():
            self.assertAllClose(state.objective.variables[f"{kind}_log_temperatures"], values, atol=2e-5)
        self.assertEqual(sums["finite_steps"], STEPS)

    def test_a_checkpoint_holds_temperatures_and_momenta(self):
        path = self.create_tempdir().full_path + "/state"
        trained, _ = _train(1, data_parameters=DataParameters)
        trained.as_checkpoint().write(path)
        objective = SingleLabel(softmax_cross_entropy, DataParameters)
        objective.build(CLASSES, CLIPS, COUNTS)
        fresh = create_state(trained.model, keras.optimizers.SGD(0.1), objective)
        self.assertAllEqual(objective.temperatures.temperatures()["instance"], np.ones(CLIPS))
        fresh.as_checkpoint().read(path).assert_consumed()
        for name, variable in trained.objective.variables.items():
            self.assertAllEqual(objective.variables[name], variable)
            self.assertGreater(np.std(variable), 0)


class EpochTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(1, 2)
    def test_a_loss_is_told_the_epoch(self, replicas):
        def loss(labels, logits, epoch):
            return tf.fill(tf.shape(labels), epoch) + 0.0 * tf.reduce_sum(logits, axis=1)

        _, sums = _train(replicas, loss=loss, steps_per_epoch=2.5)
        weights = _batches()["weights"].sum(axis=1)
        self.assertAllClose(sums["loss"], np.sum(weights * np.arange(STEPS) / 2.5), rtol=1e-5)


if __name__ == "__main__":
    tf.test.main()
