"""Intervals against cases counted by hand."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.report.intervals import paired_difference


class IntervalsTest(parameterized.TestCase, tf.test.TestCase):
    def test_two_videos_of_which_one_was_gained_draw_none_one_or_both(self):
        """Drawn twice with return: a quarter each of 0 and 100 points, a half of 50."""
        found = paired_difference(np.array([[True, True]]), np.array([[True, False]]))
        self.assertEqual((found.points, found.low, found.high, found.seeds), (50.0, 0.0, 100.0, 1))
        self.assertFalse(found.is_distinguishable)

    @parameterized.parameters((0.3, 21, 39), (0.1, 5, 16), (0.5, 40, 60))
    def test_one_seed_and_gains_only_is_a_binomial(self, share, low, high):
        """Quantiles 2.5 % and 97.5 % of Binomial(100, share), from tables."""
        gained = np.arange(100)[None] < 100 * share
        found = paired_difference(gained, np.zeros((1, 100), bool))
        self.assertAllClose(found.points, 100 * share)
        self.assertAllClose([found.low, found.high], [low, high], atol=1.01)
        self.assertTrue(found.is_distinguishable)

    def test_seeds_are_drawn_too(self):
        """One seed gains every video, the other none: a quarter each of 0 and 100 points."""
        first = np.stack([np.ones(50, bool), np.zeros(50, bool)])
        found = paired_difference(first, np.zeros_like(first))
        self.assertAllClose([found.points, found.low, found.high, found.seeds], [50, 0, 100, 2])

    def test_losses_count_against_gains_and_the_same_is_no_difference(self):
        right = np.random.default_rng(0).random((3, 40)) < 0.5
        other = np.random.default_rng(1).random((3, 40)) < 0.5
        there, back = paired_difference(right, other), paired_difference(other, right)
        self.assertAllClose(there.points, 100 * (right.mean() - other.mean()))
        self.assertAllClose([back.points, back.low, back.high], [-there.points, -there.high, -there.low], atol=1.0)
        same = paired_difference(right, right)
        self.assertEqual((same.points, same.low, same.high), (0.0, 0.0, 0.0))

    def test_a_group_is_drawn_as_a_whole(self):
        """100 videos in two groups behave as the two videos of the first test."""
        first = np.repeat([[True, True]], 50, axis=1)
        second = np.repeat([[True, False]], 50, axis=1)
        groups = ["a"] * 50 + ["b"] * 50
        grouped, single = paired_difference(first, second, groups), paired_difference(first, second)
        self.assertAllClose([grouped.points, grouped.low, grouped.high], [50, 0, 100])
        self.assertAllClose([single.low, single.high], [40, 60], atol=1.01)

    def test_draws_equal_those_of_every_video_by_itself(self):
        """Drawing kinds of videos is drawing videos: the interval against a plain bootstrap."""
        rng = np.random.default_rng(2)
        first, second = rng.random((3, 60)) < 0.7, rng.random((3, 60)) < 0.5
        gains = first.astype(float) - second
        draws = [gains[rng.integers(3, size=3)][:, rng.integers(60, size=60)].mean() for _ in range(4000)]
        found = paired_difference(first, second)
        self.assertAllClose([found.low, found.high], 100 * np.quantile(draws, [0.025, 0.975]), atol=1.5)


if __name__ == "__main__":
    tf.test.main()
