import itertools

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.video.clock import Clock

PERIOD_US = 40_000


def times_ms(*stamps_ms):
    """The times that a clock gives to these timestamps, milliseconds."""
    clock = Clock(PERIOD_US)
    return [clock.time_us(None if stamp is None else stamp * 1000) // 1000 for stamp in stamps_ms]


class ClockTest(parameterized.TestCase, tf.test.TestCase):
    def test_stamps_are_believed_also_when_a_picture_is_held(self):
        stamps = [-80, 0, 40, 65, 900, 71_000, 3_600_000, 3_600_040]
        self.assertEqual(times_ms(*stamps), stamps)

    def test_missing_and_repeated_stamps_get_the_usual_distance(self):
        self.assertEqual(times_ms(None, None, None), [0, 40, 80])
        self.assertEqual(times_ms(0, 40, None, None, 160), [0, 40, 80, 120, 160])
        self.assertEqual(times_ms(0, 40, 40, 40, 160), [0, 40, 80, 120, 160])

    def test_joined_streams_go_on_from_each_other(self):
        first, second = range(0, 4000, 40), range(120, 4000, 40)
        expected = [*first, *(stamp - 120 + 4000 for stamp in second)]
        self.assertEqual(times_ms(*first, *second), expected)

    def test_steps_of_days_are_no_held_pictures(self):
        day = 86_400_000
        self.assertEqual(times_ms(0, day, 2 * day, 3 * day), [0, 40, 80, 120])

    def test_where_a_long_step_proves_wrong_the_clock_is_right_again(self):
        right = list(range(0, 4000, 40))
        wrong = list(right)
        wrong[30:35] = [stamp + 900_000 for stamp in wrong[30:35]]
        self.assertEqual(times_ms(*wrong)[35:], right[35:])
        self.assertEqual(times_ms(*wrong)[:30], right[:30])

    def test_one_wrong_stamp_back_is_not_taken_for_a_new_start(self):
        right = list(range(0, 40_000, 40))
        wrong = list(right)
        wrong[500] = 0
        self.assertEqual(times_ms(*wrong), right)

    def test_frames_that_are_slightly_out_of_order_keep_their_stamps(self):
        self.assertEqual(times_ms(0, 120, 40, 80, 160), [0, 120, 40, 80, 160])

    @parameterized.parameters(0, 1e3, 1e9, -1e9)
    def test_any_single_wrong_stamp_is_forgotten_and_counted(self, value):
        right = np.arange(0, 40_000, 40)
        generator = np.random.default_rng(0)
        for place in generator.integers(1, 900, 40):
            stamps = right.copy()
            stamps[place] = value
            clock = Clock(PERIOD_US)
            times = np.array([clock.time_us(int(stamp) * 1000) for stamp in stamps]) // 1000
            self.assertAllEqual(times[:place], right[:place])
            self.assertAllClose(times[place + 1 :], right[place + 1 :], atol=40, rtol=0)

    def test_repairs_are_counted(self):
        clock = Clock(PERIOD_US)
        for stamp in itertools.chain(range(0, 4_000_000, 40_000), range(0, 4_000_000, 40_000)):
            clock.time_us(stamp)
        self.assertEqual(clock.repairs, 1)


if __name__ == "__main__":
    tf.test.main()
