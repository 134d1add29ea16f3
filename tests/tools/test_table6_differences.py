"""Intervals over images and seeds against simulations of known variances, and a correction against a worked example."""

import numpy as np
from absl.testing import absltest
from scipy import stats

from tools.table6.differences import Mean, components, holm, means

SEED, IMAGE, REST = 0.025**2, 0.3**2, 0.4**2
SEEDS = {"a": 3, "b": 3, "c": 3, "d": 3, "one": 1}
NUM_IMAGES = 400


def _runs(generator, seeds, num_images):
    """One arm's values [S, V], around zero."""
    of_seeds = generator.normal(0, np.sqrt(SEED / 2), (seeds, 1))
    of_images = generator.normal(0, np.sqrt(IMAGE / 2), (1, num_images))
    return of_seeds + of_images + generator.normal(0, np.sqrt(REST / 2), (seeds, num_images))


def _gains(generator):
    """Of several arms from one base: differences that share it, and of which each has the variances above."""
    base = _runs(generator, 3, NUM_IMAGES)
    return {name: _runs(generator, seeds, NUM_IMAGES) - base[:seeds] for name, seeds in SEEDS.items()}


class IntervalsTest(absltest.TestCase):
    def test_components_are_unbiased(self):
        generator = np.random.default_rng(0)
        found = [components(_gains(generator)["a"]) for _ in range(400)]
        for name, true in (("seed", SEED), ("video", IMAGE), ("rest", REST)):
            values = [getattr(each, name) for each in found]
            error = np.std(values) / np.sqrt(len(values))
            self.assertLess(abs(np.mean(values) - true), 4 * error, name)
            self.assertGreater(true, 4 * error, name)

    def test_19_of_20_intervals_hold_the_mean_and_that_of_another_set_also_for_one_seed(self):
        generator = np.random.default_rng(1)
        held = {name: [] for name in SEEDS}
        on_another = {name: [] for name in SEEDS}
        of_images = []
        for _ in range(600):
            found, other = means(_gains(generator)), means(_gains(generator))
            for name, mean in found.items():
                low, high = mean.interval()
                held[name].append(low < 0 < high)
                low, high = mean.of_another_set()
                on_another[name].append(low < other[name].points < high)
            alone = means({"one": _gains(generator)["one"]})["one"]
            self.assertEqual(alone.freedom, np.inf)
            of_images.append(alone.interval()[0] < 0 < alone.interval()[1])
        for name in SEEDS:
            self.assertBetween(np.mean(held[name]), 0.93, 0.985, name)
            self.assertBetween(np.mean(on_another[name]), 0.93, 0.985, name)
        self.assertLess(np.mean(of_images), 0.9)  # Without the spread of seeds they are too narrow.

    def test_with_one_table_they_are_those_of_a_t_test_over_seeds_where_images_do_not_vary(self):
        gains = np.repeat([[0.1], [0.2], [0.6]], 5, axis=1)
        (mean,) = means({"a": gains}).values()
        expected = stats.ttest_1samp([10, 20, 60], 0)
        self.assertAlmostEqual(mean.points, 30)
        self.assertAlmostEqual(mean.probability, expected.pvalue)
        np.testing.assert_allclose(mean.interval(), expected.confidence_interval())

    def test_equal_runs_differ_by_nothing(self):
        (mean,) = means({"a": np.zeros((2, 5))}).values()
        self.assertEqual((mean.points, mean.interval(), mean.probability), (0, (0, 0), 1))


class HolmTest(absltest.TestCase):
    def test_the_example_of_four(self):
        # 0.005 x 4, 0.01 x 3 are below 0.05, 0.03 x 2 is not, so nor is 0.04.
        values = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}
        found = {name: Mean(float(stats.norm.isf(value / 2)), 1.0, np.inf) for name, value in values.items()}
        self.assertEqual(holm(found), {"a", "d"})


if __name__ == "__main__":
    absltest.main()
