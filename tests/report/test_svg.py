"""Axes of the charts."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.report.svg import Axis, Series, line_chart


class AxisTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters((60, 95), (11, 19), (1.1, 1.9), (40, 95), (3, 4), (99, 101))
    def test_a_short_logarithmic_axis_has_even_ticks(self, low, high):
        ticks = Axis(low, high, 0, 100, log=True).ticks()
        self.assertBetween(len(ticks), 2, 8)
        self.assertTrue(all(low <= tick <= high for tick in ticks))
        self.assertAllClose(np.diff(ticks), np.full(len(ticks) - 1, ticks[1] - ticks[0]))

    @parameterized.parameters(
        (1, 100, [1, 2, 5, 10, 20, 50, 100]), (30, 300, [50, 100, 200]), (9, 1001, [10, 100, 1000])
    )
    def test_a_longer_one_has_those_of_the_decades(self, low, high, expected):
        self.assertAllClose(Axis(low, high, 0, 100, log=True).ticks(), expected)

    def test_every_pair_of_counts_has_ticks(self):
        for low in range(1, 60):
            for high in range(low + 1, 400):
                self.assertGreater(len(Axis(low, high, 0, 1, log=True).ticks()), 1, (low, high))

    def test_a_chart_of_sizes_close_to_each_other_has_numbers_at_its_axis(self):
        series = [Series("spl", [1, 2], [95, 60], 0)]
        chart = line_chart("c", "Sizes", series, x_title="x", y_title="y", log_x=True, log_y=True)
        self.assertEqual(chart.count('text-anchor="end"'), len(Axis(60, 95, 0, 1, log=True).ticks()))


if __name__ == "__main__":
    tf.test.main()
