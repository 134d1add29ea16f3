"""Scores of the pipeline against a plain loop over the records, for any batch size, number of views and replicas."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.dataset import load_dataset
from spl_tf.hardware.distribution import device_strategy
from spl_tf.inference.scores import score_clips
from spl_tf.inference.trained_model import load_trained

# Of clips of 8 frames and 32 x 32 pixels: a draw can start at 4 places, the crop has an odd margin.
INPUT = {"num_frames": 3, "frame_stride": 2, "crop_size": 23}


class ScoreClipsTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, trained_dir, records_by_hand):
        self.folder, self.trained_dir, self.records_by_hand = color_shards / "web", trained_dir, records_by_hand

    def _expected(self, num_views=1):
        clip_input = dataclasses.replace(load_trained(self.trained_dir).clip_input, **INPUT)
        return self.records_by_hand(self.trained_dir / "model.keras", self.folder, clip_input, num_views)

    def _score(self, strategy_name="one_device", *, batch_size, num_views=1, shards=None):
        strategy = device_strategy(strategy_name)
        with strategy.scope():
            trained = load_trained(self.trained_dir)
        return self._score_network(trained, strategy, batch_size=batch_size, num_views=num_views, shards=shards)

    def _score_network(self, trained, strategy, *, batch_size, num_views=1, shards=None):
        scored = score_clips(
            trained.network,
            load_dataset(self.folder),
            dataclasses.replace(trained.clip_input, **INPUT),
            strategy,
            batch_size=batch_size,
            num_views=num_views,
            description="score",
            shards=shards,
        )
        return list(scored)

    def _assert_equal(self, scored, expected):
        """Same records in the same order, same scores."""
        self.assertEqual(
            [(clip.shard, clip.row, clip.clip_id, clip.video_id, [clip.label]) for clip in scored],
            [record[:5] for record in expected],
        )
        for name, column in (("scores", 5), ("features", 6)):
            values = np.stack([getattr(clip, name) for clip in scored])
            self.assertAllClose(values, np.stack([record[column] for record in expected]), atol=2e-5)

    @parameterized.parameters(
        ("one_device", 5),  # 72 records: the last batch holds 2.
        ("one_device", 100),  # One batch, mostly padding.
        ("mirrored", 5),  # Rounded up to 6 over two replicas.
        ("mirrored", 16),  # The last batch holds 8: all padding on the second replica.
    )
    def test_every_record_is_scored_once_as_by_a_plain_loop(self, strategy_name, batch_size):
        scored = self._score(strategy_name, batch_size=batch_size)
        expected = self._expected()
        self.assertLen({clip.clip_id for clip in scored}, 72)
        self.assertGreater(np.ptp([clip.scores[0] for clip in scored]), 0.01)  # Clips do differ.
        self._assert_equal(scored, expected)

    def test_views_are_averaged_even_across_batches(self):
        scored = self._score("mirrored", batch_size=7, num_views=3)
        self._assert_equal(scored, self._expected(num_views=3))
        centred = np.stack([record[5] for record in self._expected()])
        self.assertNotAllClose(np.stack([clip.scores for clip in scored]), centred, atol=1e-4)

    def test_a_network_is_traced_once_and_scored_with_its_present_weights(self):
        trained = load_trained(self.trained_dir)
        traces, call = [], trained.network.call

        def traced(*arguments, **options):
            traces.append(tf.executing_eagerly())
            return call(*arguments, **options)

        with mock.patch.object(trained.network, "call", traced):
            first, second = (
                [clip.scores for clip in self._score_network(trained, device_strategy(), batch_size=8, shards=[0])]
                for _ in range(2)
            )
            self.assertEqual(traces, [False])
            self.assertAllEqual(first, second)
            trained.network.set_weights([2 * weight for weight in trained.network.get_weights()])
            third = [clip.scores for clip in self._score_network(trained, device_strategy(), batch_size=8, shards=[0])]
        self.assertEqual(traces, [False])
        self.assertNotAllClose(first, third)

    def test_chosen_shards_alone_are_scored_under_their_own_positions(self):
        scored = self._score(batch_size=5, shards=[2, 0])
        expected = self._expected()
        wanted = [record for shard in (2, 0) for record in expected if record[0] == shard]
        self.assertNotEmpty(wanted)
        self._assert_equal(scored, wanted)
