"""Ranges contain what they say."""

import math

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.ranges import Range


class RangeTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        (Range(0, 1), "from 0 to 1", [0, 0.5, 1], [-0.1, 1.1, math.nan]),
        (Range(0, 1, below=True), "from 0 to below 1", [0, 0.99], [1, -1]),
        (Range(0, above=True), "above 0", [1e-9, 1e9], [0, -1, math.nan]),
    )
    def test_a_range_says_what_it_contains(self, numbers, text, inside, outside):
        self.assertEqual(str(numbers), text)
        self.assertTrue(all(number in numbers for number in inside))
        self.assertFalse(any(number in numbers for number in outside))


if __name__ == "__main__":
    tf.test.main()
