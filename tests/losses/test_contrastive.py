"""Contrastive losses and their gradients against loops in float64, and the memory bank against its formula."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.losses.contrastive import info_nce, nt_xent
from spl_tf.losses.memory_bank import MemoryBank


def _rows(seed, *shape, scale=1.0):
    values = np.random.default_rng(seed).normal(size=shape)
    return scale * values / np.linalg.norm(values, axis=-1, keepdims=True)


def _log_sum(terms):
    return max(terms) + np.log(sum(np.exp(term - max(terms)) for term in terms))


def _info_nce_by_hand(own, positives, negatives, temperature):
    losses = []
    for f, positive, others in zip(own, positives, negatives, strict=True):
        terms = [f @ positive / temperature] + [f @ other / temperature for other in others]
        losses.append(_log_sum(terms) - terms[0])
    return np.array(losses)


def _nt_xent_by_hand(a, b, temperature):
    losses = np.zeros(len(a))
    for views, others in ((a, b), (b, a)):
        for i, view in enumerate(views):
            terms = [view @ other / temperature for other in others]
            terms += [view @ same / temperature for j, same in enumerate(views) if j != i]
            losses[i] += _log_sum(terms) - terms[i]
    return losses


def _numeric_gradient(function, values, step=1e-6):
    gradient = np.zeros_like(values)
    for place in np.ndindex(values.shape):
        for sign in (1, -1):
            moved = values.copy()
            moved[place] += sign * step
            gradient[place] += sign * function(moved) / (2 * step)
    return gradient


class ContrastiveTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters((0.07, 1.0), (1.0, 1.0), (0.07, 30.0))
    def test_info_nce_is_the_loop(self, temperature, scale):
        """The largest logits are 30 * 30 / 0.07, beyond 1e4."""
        own, positives, negatives = (
            _rows(0, 4, 5, scale=scale),
            _rows(1, 4, 5, scale=scale),
            _rows(2, 4, 6, 5, scale=scale),
        )
        given = [tf.constant(values, tf.float32) for values in (own, positives, negatives)]
        with tf.GradientTape() as tape:
            tape.watch(given)
            losses = info_nce(*given, temperature)
        self.assertAllClose(losses, _info_nce_by_hand(own, positives, negatives, temperature), rtol=1e-5, atol=1e-5)
        gradients = tape.gradient(losses, given)
        arrays = [own, positives, negatives]
        for place, gradient in enumerate(gradients):

            def total(moved, place=place):
                return _info_nce_by_hand(*arrays[:place], moved, *arrays[place + 1 :], temperature).sum()

            tolerance = 1e-3 * max(1.0, scale)
            self.assertAllClose(gradient, _numeric_gradient(total, arrays[place]), atol=tolerance, rtol=1e-3)

    @parameterized.parameters((0.1, 1.0), (1.0, 1.0), (0.1, 35.0))
    def test_nt_xent_of_all_clips_at_once_is_the_loop(self, temperature, scale):
        a, b = _rows(3, 5, 4, scale=scale), _rows(4, 5, 4, scale=scale)
        views = [tf.constant(values, tf.float32) for values in (a, b)]
        with tf.GradientTape() as tape:
            tape.watch(views)
            losses = nt_xent(*views, *views, tf.range(5), temperature)
        self.assertAllClose(losses, _nt_xent_by_hand(a, b, temperature), rtol=1e-5, atol=1e-5)
        for gradient, function, values in (
            (tape.gradient(losses, views)[0], lambda moved: _nt_xent_by_hand(moved, b, temperature).sum(), a),
        ):
            tolerance = 1e-3 * max(1.0, scale)
            self.assertAllClose(gradient, _numeric_gradient(function, values), atol=tolerance, rtol=1e-3)

    def test_a_part_of_the_batch_has_its_part_of_the_losses(self):
        a, b = (tf.constant(_rows(seed, 6, 4), tf.float32) for seed in (5, 6))
        whole = nt_xent(a, b, a, b, tf.range(6), 0.1)
        for rows in (slice(0, 3), slice(3, 6)):
            places = tf.range(6)[rows]
            self.assertAllClose(nt_xent(a[rows], b[rows], a, b, places, 0.1), whole[rows])

    def test_bfloat16_is_computed_in_float32(self):
        a, b = (tf.cast(_rows(seed, 5, 4), tf.bfloat16) for seed in (7, 8))
        losses = nt_xent(a, b, a, b, tf.range(5), 0.1)
        self.assertEqual(losses.dtype, tf.float32)
        exact = _nt_xent_by_hand(*(tf.cast(values, tf.float64).numpy() for values in (a, b)), 0.1)
        self.assertAllClose(losses, exact, rtol=1e-5)
        self.assertEqual(info_nce(a, b, a[:, tf.newaxis], 0.1).dtype, tf.float32)

    @parameterized.parameters(1, 2)
    def test_gradients_through_gathered_embeddings_are_those_of_the_whole_batch(self, replicas):
        a, b = _rows(9, 6, 4), _rows(10, 6, 4)
        strategy = tf.distribute.get_strategy()
        if replicas == 2:
            reduction = tf.distribute.ReductionToOneDevice()
            strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=reduction)

        def step():
            context = tf.distribute.get_replica_context()
            places = context.replica_id_in_sync_group * (6 // replicas) + tf.range(6 // replicas)
            own = tf.gather(tf.constant(np.stack([a, b], axis=1), tf.float32), places)
            with tf.GradientTape() as tape:
                tape.watch(own)
                everyone = context.all_gather(own, axis=0)
                losses = nt_xent(own[:, 0], own[:, 1], everyone[:, 0], everyone[:, 1], places, 0.1)
            return tape.gradient(losses, own)

        gradients = tf.concat(strategy.experimental_local_results(tf.function(lambda: strategy.run(step))()), axis=0)
        expected = [
            _numeric_gradient(lambda moved: _nt_xent_by_hand(moved, b, 0.1).sum(), a),
            _numeric_gradient(lambda moved: _nt_xent_by_hand(a, moved, 0.1).sum(), b),
        ]
        self.assertAllClose(gradients, np.stack(expected, axis=1), atol=1e-3)


class MemoryBankTest(tf.test.TestCase):
    def test_it_begins_at_random_with_length_one_on_average_and_as_the_seed_says(self):
        values = MemoryBank(200, 128, seed=0).values.numpy()
        self.assertAllInRange(values, -((3 / 128) ** 0.5), (3 / 128) ** 0.5)
        self.assertAllClose((values**2).sum(axis=1).mean(), 1.0, atol=0.02)
        self.assertAllEqual(MemoryBank(200, 128, seed=0).values, values)
        self.assertNotAllClose(MemoryBank(200, 128, seed=1).values, values)

    def test_rows_of_the_batch_move_half_way_and_the_others_stay(self):
        bank = MemoryBank(5, 4, seed=0)
        before, seen = bank.values.numpy(), _rows(0, 4, 4)
        clips = tf.constant([3, 0, 3, 4], tf.int64)  # One is in the batch twice.
        slices = tf.IndexedSlices(tf.constant(seen, tf.float32), clips)
        bank.update(tf.distribute.get_strategy(), slices)
        for row, mean in ((0, seen[1]), (3, (seen[0] + seen[2]) / 2), (4, seen[3])):
            moved = 0.5 * before[row] + 0.5 * mean
            self.assertAllClose(bank.values[row], moved / np.linalg.norm(moved))
        self.assertAllEqual(bank.values[1:3], before[1:3])
        self.assertAllEqual(bank.gather(tf.constant([[4, 1], [0, 0]])), bank.values.numpy()[[[4, 1], [0, 0]]])


if __name__ == "__main__":
    tf.test.main()
