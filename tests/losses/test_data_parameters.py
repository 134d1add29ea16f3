"""Data Parameters: the algebra in float64 numpy, and the optimizer's way against a plain loop over all entries."""

import math
import pathlib

import gin
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.hardware.distribution import device_strategy, split_batch
from spl_tf.losses.cross_entropy import softmax_cross_entropy
from spl_tf.losses.data_parameters import DataParameters

CLASSES, CLIPS, BATCH = 4, 12, 8
MODES = ("class", "instance", "joint")
LARGE_STEPS = {"class_learning_rate": 4.0, "instance_learning_rate": 9.0}
DECAY = {"class_weight_decay": 0.02, "instance_weight_decay": 0.01}


def _batches(steps, seed=0):
    """Logits [B, N], labels and clips; clips of a batch repeat, and so do classes."""
    generator = np.random.default_rng(seed)
    label_of_clip = generator.integers(0, CLASSES, CLIPS)
    batches = []
    for _ in range(steps):
        clips = generator.integers(0, CLIPS, BATCH)
        logits = generator.normal(scale=3, size=(BATCH, CLASSES)).astype(np.float32)
        batches.append((logits, label_of_clip[clips].astype(np.int32), clips))
    return batches


def _strategy(replicas):
    return device_strategy("one_device" if replicas == 1 else "mirrored")


def _of_all_replicas(slices):
    context = tf.distribute.get_replica_context()
    return tf.nest.map_structure(lambda part: context.all_gather(part, axis=0), slices, expand_composites=True)


def _train(batches, *, replicas=1, parts=1, conditional=False, **options):
    """The calls of the class' docstring, as a training step makes them; returns (parameters, losses)."""
    strategy = _strategy(replicas)
    with strategy.scope():
        parameters = DataParameters(CLASSES, CLIPS, **options)

    def replica_step(logits, labels, clips):
        pieces, total = [], 0.0
        for z, y, i in zip(*(tf.split(values, parts) for values in (logits, labels, clips)), strict=True):
            rows = parameters.rows(y, i)
            with tf.GradientTape() as tape:
                tape.watch(rows)
                losses = softmax_cross_entropy(y, parameters.scale(z, rows))
                objective = tf.reduce_sum(losses) / BATCH + parameters.weight_decay(rows)
            pieces.append(tape.gradient(objective, rows))
            total += tf.reduce_sum(losses) / BATCH
        gradients = {kind: tf.concat([piece[kind] for piece in pieces], axis=0) for kind in pieces[0]}
        gradients = _of_all_replicas(parameters.slices(labels, clips, gradients))
        tf.distribute.get_replica_context().merge_call(finish, args=(gradients,))
        return total

    def finish(strategy, gradients):
        if conditional:
            tf.cond(tf.constant(True), lambda: parameters.apply(strategy, gradients), lambda: None)
        else:
            parameters.apply(strategy, gradients)

    @tf.function
    def step(*batch):
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(replica_step, args=batch), axis=None)

    losses = [float(step(*(split_batch(strategy, tf.constant(v)) for v in batch))) for batch in batches]
    return parameters, losses


def _expected(batches, mode, *, largest=20.0, initial=None, rates=(0.1, 0.2), decays=(0.0, 0.0)):
    """SparseSGD over whole vectors, entry by entry: (s, momenta) of each kind and the losses before each step."""
    kinds = {"class": ["class"], "instance": ["instance"], "joint": ["class", "instance"]}[mode]
    start = initial or {"class": 1.0, "instance": 0.001 if mode == "joint" else 1.0}
    size = {"class": CLASSES, "instance": CLIPS}
    rate, decay = dict(zip(size, rates, strict=True)), dict(zip(size, decays, strict=True))
    s = {kind: np.full(size[kind], np.log(start[kind])) for kind in kinds}
    v = {kind: np.zeros(size[kind]) for kind in kinds}
    history = []
    for logits, labels, clips in batches:
        gradients, loss = {kind: np.zeros(size[kind]) for kind in kinds}, 0.0
        for z, label, clip in zip(logits.astype(np.float64), labels, clips, strict=True):
            entry = {"class": label, "instance": clip}
            tau = sum(np.exp(s[kind][entry[kind]]) for kind in kinds)
            p = np.exp(z / tau) / np.exp(z / tau).sum()
            loss -= np.log(p[label]) / BATCH
            by_tau = (z[label] - p @ z) / tau**2 / BATCH
            for kind in kinds:
                own = s[kind][entry[kind]]
                gradients[kind][entry[kind]] += by_tau * np.exp(own) + decay[kind] * own
        history.append(loss)
        for kind in kinds:
            for k in range(size[kind]):
                if gradients[kind][k] != 0:
                    v[kind][k] = 0.9 * v[kind][k] + gradients[kind][k]
                    s[kind][k] -= rate[kind] * v[kind][k]
                if largest is not None:
                    s[kind][k] = min(max(s[kind][k], -np.log(largest)), np.log(largest))
    return s, v, history


class DataParametersTest(parameterized.TestCase, tf.test.TestCase):
    def assert_state(self, parameters, s, v):
        state = {f"{kind}_log_temperatures": values for kind, values in s.items()}
        state |= {f"{kind}_momenta": values for kind, values in v.items()}
        self.assertEqual(set(parameters.variables), set(state))
        for name, values in state.items():
            variable = parameters.variables[name]
            for copy in getattr(variable, "values", [variable]):  # One a replica.
                self.assertAllClose(copy, values, rtol=1e-5, atol=1e-5, msg=name)

    @parameterized.parameters(*MODES)
    def test_temperatures_start_at_one(self, mode):
        parameters = DataParameters(CLASSES, CLIPS, mode=mode)
        logits, labels, clips = _batches(1)[0]
        expected = {"class": logits, "instance": logits, "joint": logits / 1.001}[mode]
        self.assertAllClose(parameters.scale(logits, parameters.rows(labels, clips)), expected, rtol=1e-6)
        sizes = {kind: values.shape[0] for kind, values in parameters.temperatures().items()}
        both = {"class": CLASSES, "instance": CLIPS}
        self.assertEqual(sizes, both if mode == "joint" else {mode: both[mode]})
        if mode == "joint":
            self.assertAllClose(parameters.temperatures()["instance"], np.full(CLIPS, 0.001), rtol=1e-6)

    @parameterized.parameters(*MODES)
    def test_the_gradient_raises_the_temperature_of_clips_below_the_mean_logit(self, mode):
        parameters = DataParameters(CLASSES, CLIPS, mode=mode, class_initial=1.3, instance_initial=0.8)
        logits, labels, clips = _batches(1)[0]
        rows = parameters.rows(labels, clips)
        logits = tf.constant(logits)
        with tf.GradientTape() as tape:
            tape.watch([rows, logits])
            losses = softmax_cross_entropy(tf.constant(labels), parameters.scale(logits, rows))
        by_rows, by_logits = tape.gradient(losses, [rows, logits])
        z = logits.numpy().astype(np.float64)
        tau = {"class": 1.3, "instance": 0.8, "joint": 2.1}[mode]
        p = np.exp(z / tau) / np.exp(z / tau).sum(axis=1, keepdims=True)
        surplus = z[np.arange(BATCH), labels] - (p * z).sum(axis=1)
        self.assertAllClose(losses, -np.log(p[np.arange(BATCH), labels]), rtol=1e-5, atol=1e-5)
        self.assertAllClose(by_logits, (p - np.eye(CLASSES)[labels]) / tau, atol=1e-5)
        for kind, sigma in (("class", 1.3), ("instance", 0.8)):
            if kind in by_rows:
                self.assertAllClose(by_rows[kind], surplus / tau**2 * sigma, rtol=1e-5, atol=1e-5)
                # Descent: a negative gradient raises s.
                self.assertAllEqual(by_rows[kind] < 0, surplus < 0)

    def test_weight_decay_counts_a_class_as_often_as_it_occurs(self):
        parameters = DataParameters(2, 3, mode="joint", class_initial=2.0, instance_initial=0.5, **DECAY)
        rows = parameters.rows(tf.constant([1, 1, 0]), tf.constant([0, 1, 2]))
        expected = 0.5 * (3 * 0.02 * math.log(2.0) ** 2 + 3 * 0.01 * math.log(0.5) ** 2)
        self.assertAllClose(parameters.weight_decay(rows), expected, rtol=1e-6)

    @parameterized.product(mode=MODES, replicas=[1, 2])
    def test_the_optimizer_goes_the_way_of_the_plain_loop(self, mode, replicas):
        batches = _batches(9)
        parameters, losses = _train(batches, mode=mode, replicas=replicas, **LARGE_STEPS, **DECAY)
        s, v, expected = _expected(batches, mode, rates=(4.0, 9.0), decays=(0.02, 0.01))
        self.assert_state(parameters, s, v)
        self.assertAllClose(losses, expected, rtol=1e-5, atol=1e-5)
        for kind, values in parameters.temperatures().items():
            self.assertAllClose(values, np.exp(s[kind]), rtol=1e-4)
        # The steps are so large that the clamp holds some.
        self.assertTrue(any((np.abs(values) == np.log(20)).any() for values in s.values()))

    @parameterized.parameters(*MODES)
    def test_defaults_are_those_of_the_noisy_label_experiment(self, mode):
        batches = _batches(3)
        parameters, _ = _train(batches, mode=mode)
        self.assert_state(parameters, *_expected(batches, mode)[:2])

    @parameterized.parameters(1, 2)
    def test_micro_batches_and_a_condition_around_the_update_change_nothing(self, replicas):
        batches = _batches(3)
        parameters, _ = _train(batches, mode="joint", replicas=replicas, parts=2, conditional=True, **DECAY)
        self.assert_state(parameters, *_expected(batches, "joint", decays=(0.02, 0.01))[:2])

    def test_without_a_limit_nothing_is_clamped(self):
        batches = _batches(9)
        parameters, _ = _train(batches, largest=None, instance_learning_rate=9.0)
        s, v, _ = _expected(batches, "instance", largest=None, rates=(0.1, 9.0))
        self.assert_state(parameters, s, v)
        self.assertGreater(np.abs(s["instance"]).max(), np.log(20))

    def test_untouched_clips_of_joint_mode_are_clamped_by_the_first_step(self):
        batch = _batches(1)
        parameters, _ = _train(batch, mode="joint")
        untouched = np.setdiff1d(np.arange(CLIPS), batch[0][2])
        self.assertNotEmpty(untouched)
        self.assertAllClose(tf.gather(parameters.temperatures()["instance"], untouched), [0.05] * len(untouched))

    @parameterized.parameters(1, 2)
    def test_an_entry_of_zero_gradient_keeps_value_and_momentum(self, replicas):
        strategy = _strategy(replicas)
        with strategy.scope():
            parameters = DataParameters(CLASSES, 5)
        slices = [
            tf.IndexedSlices(values=tf.constant(values), indices=tf.constant(indices))
            for values, indices in (([1.0, 2.0, 3.0, -3.0], [0, 1, 2, 2]), ([0.0, 4.0, 1.0], [0, 1, 1]))
        ]
        for gradient in slices:
            parameters.apply(strategy, {"instance": gradient})
        # Clip 2 met gradients that cancel out, clip 0 one of zero, clips 3 and 4 none.
        self.assertAllClose(parameters.variables["instance_momenta"], [1.0, 0.9 * 2 + 5, 0, 0, 0])
        self.assertAllClose(
            parameters.variables["instance_log_temperatures"], [-0.2, -0.2 * (2 + 0.9 * 2 + 5), 0, 0, 0]
        )

    def test_whole_gradients_do_what_slices_do(self):
        parameters, other = DataParameters(CLASSES, CLIPS), DataParameters(CLASSES, CLIPS)
        strategy = _strategy(1)
        for seed in range(3):
            whole = np.random.default_rng(seed).normal(size=CLIPS).astype(np.float32)
            whole[seed::3] = 0.0
            keys = np.flatnonzero(whole)
            parameters.apply(strategy, {"instance": tf.constant(whole)})
            other.apply(strategy, {"instance": tf.IndexedSlices(tf.constant(whole[keys]), tf.constant(keys))})
        for name, value in parameters.variables.items():
            self.assertAllClose(value, other.variables[name], rtol=1e-6)

    @parameterized.parameters(*MODES)
    def test_losses_and_gradients_are_finite_at_extreme_bfloat16_logits(self, mode):
        for initial in (0.05, 20.0):
            parameters = DataParameters(2, 2, mode=mode, class_initial=initial, instance_initial=initial)
            logits = tf.constant([[50.0, -50.0], [-50.0, 50.0]], tf.bfloat16)
            rows = parameters.rows(tf.constant([1, 1]), tf.constant([0, 1]))
            with tf.GradientTape() as tape:
                tape.watch([rows, logits])
                scaled = parameters.scale(logits, rows)
                losses = softmax_cross_entropy(tf.constant([1, 1]), scaled)
            self.assertEqual(scaled.dtype, tf.float32)
            for value in (losses, *tf.nest.flatten(tape.gradient(losses, [rows, logits]))):
                self.assertTrue(np.isfinite(tf.cast(value, tf.float32)).all())

    def test_a_checkpoint_holds_all_state_whatever_the_replicas(self):
        path = str(pathlib.Path(self.create_tempdir().full_path) / "state")
        first, _ = _train(_batches(2), mode="joint", replicas=2)
        tf.train.Checkpoint(**first.variables).write(path)
        with _strategy(1).scope():
            second = DataParameters(CLASSES, CLIPS, mode="joint")
        tf.train.Checkpoint(**second.variables).read(path).assert_consumed()
        for name, value in first.variables.items():
            self.assertAllEqual(second.variables[name], value)

    @parameterized.product(mode=["instance", "joint"], replicas=[1, 2])
    def test_a_step_makes_no_vector_of_all_clips(self, mode, replicas):
        clips, strategy = 1234567, _strategy(replicas)
        with strategy.scope():
            parameters = DataParameters(CLASSES, clips, mode=mode)

        def replica_step(labels, indices):
            gradients = _of_all_replicas(parameters.slices(labels, indices, parameters.rows(labels, indices)))
            tf.distribute.get_replica_context().merge_call(parameters.apply, args=(gradients,))

        step = tf.function(lambda *batch: strategy.run(replica_step, args=batch))
        batch = [split_batch(strategy, values) for values in (tf.zeros([8], tf.int32), tf.range(8))]
        graph = step.get_concrete_function(*batch).graph
        shapes = [output.shape for op in graph.get_operations() for output in op.outputs]
        self.assertIn(tf.TensorShape([8]), shapes)
        self.assertNotIn(tf.TensorShape([clips]), shapes)

    def test_is_configured_by_gin(self):
        gin.parse_config("DataParameters.mode = 'class'\nDataParameters.class_learning_rate = 0.5")
        parameters = DataParameters(CLASSES, CLIPS)
        parameters.apply(_strategy(1), {"class": tf.ones([CLASSES])})
        self.assertAllClose(parameters.variables["class_log_temperatures"], np.full(CLASSES, -0.5))

    @parameterized.parameters(
        ({"mode": "clip"}, "'clip' is none of class, instance, joint"),
        ({"instance_initial": 0.0}, "above 0"),
        ({"largest": 0.5}, "above 1, or None"),
    )
    def test_options_out_of_range_are_refused(self, options, message):
        with self.assertRaisesRegex(UserError, message):
            DataParameters(CLASSES, CLIPS, **options)
