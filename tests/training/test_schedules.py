"""Learning rates against the formulas written out."""

import functools
import math

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.training.schedules import fixmatch_cosine, schedule_of, warmup_cosine


class SchedulesTest(parameterized.TestCase, tf.test.TestCase):
    def test_the_papers_pretraining_schedule(self):
        """Section 4.2: 10 epochs of warm-up from 0.04, then 0.4 with cosine decay for 150 epochs."""
        schedule = warmup_cosine(160 * 7, 7, peak=0.4, warmup_start=0.04, warmup_epochs=10)
        for step in (0, 35, 70, 71, 500, 1119, 1120):
            if step < 70:
                expected = 0.04 + (0.4 - 0.04) * step / 70
            else:
                expected = 0.2 * (1 + math.cos(math.pi * (step - 70) / (150 * 7)))
            self.assertAllClose(float(schedule(step)), expected, atol=1e-6)

    def test_rates_scale_with_the_batch(self):
        options = {"peak": 0.4, "warmup_start": 0.04, "warmup_epochs": 10, "final": 0.01}
        whole = warmup_cosine(1000, 20, **options)
        scaled = warmup_cosine(1000, 20, **options, batch_size=64, reference_batch_size=1024)
        for step in (0, 100, 200, 600, 1000):
            self.assertAllClose(float(scaled(step)), float(whole(step)) / 16, rtol=1e-5)
        with self.assertRaisesRegex(UserError, "batch_size and reference_batch_size, or neither"):
            warmup_cosine(1000, 20, **options, batch_size=64)

    @parameterized.parameters(1, 2, 5)
    def test_a_run_shorter_than_its_warm_up_still_has_a_rate(self, total_steps):
        schedule = warmup_cosine(total_steps, 100, peak=0.4, warmup_start=0.04, warmup_epochs=10, final=0.01)
        rates = [float(schedule(step)) for step in range(total_steps + 1)]
        self.assertTrue(all(0.0 <= rate <= 0.4 + 1e-6 for rate in rates), rates)
        self.assertAllClose(rates[-1], 0.01, atol=1e-6)

    def test_the_schedule_of_noisyactions2m_ends_at_a_fifth(self):
        schedule = fixmatch_cosine(700, 7, peak=0.03)
        for step in (0, 1, 350, 699, 700, 799, 801, 1000):
            expected = 0.03 * max(0.0, math.cos(math.pi * 7 * step / (16 * 700)))
            self.assertAllClose(float(schedule(step)), expected, atol=1e-8, rtol=1e-5)
        self.assertAllClose(float(schedule(700)) / 0.03, 0.195, atol=1e-3)
        self.assertEqual(float(type(schedule).from_config(schedule.get_config())(350)), float(schedule(350)))

    def test_a_number_is_the_same_rate_throughout_and_a_function_makes_its_own(self):
        schedule = schedule_of(0.005, 10, 5)
        self.assertAllClose([float(schedule(step)) for step in (0, 5, 10)], [0.005] * 3)
        made = schedule_of(functools.partial(warmup_cosine, peak=0.4, warmup_epochs=1), 10, 5)
        expected = warmup_cosine(10, 5, peak=0.4, warmup_epochs=1)
        for step in (0, 3, 5, 9):
            self.assertEqual(float(made(step)), float(expected(step)))
