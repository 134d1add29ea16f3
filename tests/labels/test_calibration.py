"""Temperature scaling against loops and a grid of temperatures, and through the side-cars."""

import math

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.labels import assign
from spl_tf.labels.calibration import calibrated, calibration_error, fit_temperature
from spl_tf.labels.label_map import Pairs
from tests.labels.top_scores import CLASSES, TopScoresCase, read_columns, write_predictions


def scaled_by_hand(scores, temperature):
    """One distribution, in float64."""
    powers = [float(score) ** (1 / temperature) for score in scores]
    return [power / sum(powers) for power in powers]


def spread_by_hand(scores, k):
    """A distribution of which the k best are known."""
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    filled = [0.0] * len(scores)
    for index in order[:k]:
        filled[index] = float(scores[index])
    for index in order[k:]:
        filled[index] = (1 - sum(float(scores[other]) for other in order[:k])) / (len(scores) - k)
    return filled


def pairs_of(weak, scores, k):
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k].astype(np.int32)
    top = np.take_along_axis(scores, order, axis=1).astype(np.float32)
    return Pairs(np.asarray(weak, np.int32), order[:, 0], top[:, 0], order, top)


class CalibrationTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(0)
        self.honest = rng.dirichlet(np.full(6, 0.5), 4000)
        draw = rng.random((4000, 1))
        self.truth = np.minimum((draw > self.honest.cumsum(axis=1)).sum(axis=1), 5)

    @parameterized.parameters(0.5, 2.0, 3.0)
    def test_the_temperature_of_scores_that_were_sharpened_or_flattened_is_found(self, temperature):
        scores = self.honest**temperature
        scores /= scores.sum(axis=1, keepdims=True)
        found = fit_temperature(pairs_of(self.truth, scores, 6), 6)
        self.assertAllClose(found.temperature, temperature, rtol=0.06)
        self.assertLess(found.loss[1], found.loss[0])
        self.assertLess(found.error[1], 0.03)
        self.assertGreater(found.error[0], 0.05)
        self.assertEqual(found.clips, 4000)

    @parameterized.parameters(1, 3, 6)
    def test_no_temperature_of_a_grid_has_less_loss(self, k):
        scores, truth = self.honest[:200] ** 2, self.truth[:200]
        scores /= scores.sum(axis=1, keepdims=True)
        found = fit_temperature(pairs_of(truth, scores, k), 6)

        def loss(temperature):
            known = [spread_by_hand(row, k) for row in scores.tolist()]
            return -sum(
                math.log(scaled_by_hand(row, temperature)[label]) for row, label in zip(known, truth, strict=True)
            ) / len(truth)

        self.assertAllClose(found.loss, (loss(1.0), loss(found.temperature)), rtol=1e-4)
        least = min(loss(temperature) for temperature in np.geomspace(0.2, 10, 60))
        self.assertLessEqual(found.loss[1], least + 1e-6)

    @parameterized.parameters(2, 6)
    def test_scores_are_scaled_as_by_hand_and_keep_their_order(self, k):
        pairs = pairs_of(self.truth[:50], self.honest[:50], k)
        found = calibrated(pairs, 6, 1.7)
        for row in range(50):
            expected = scaled_by_hand(spread_by_hand(self.honest[row], k), 1.7)
            self.assertAllClose(found.top_scores[row], [expected[label] for label in pairs.top_classes[row]], atol=1e-5)
        self.assertAllEqual(found.confidence, found.top_scores[:, 0])
        self.assertAllEqual(found.top_classes, pairs.top_classes)
        self.assertAllClose(calibrated(pairs, 6, 1.0).top_scores, pairs.top_scores, atol=1e-6)

    def test_scaling_is_cleanlab_s(self):
        try:
            from cleanlab.internal.multiannotator_utils import temp_scale_pred_probs
        except ImportError:
            self.skipTest("cleanlab is not installed")
        seen = self.honest.min(axis=1) > 1e-6  # Of smaller ones we take none for impossible.
        found = calibrated(pairs_of(self.truth[seen], self.honest[seen], 6), 6, 2.3)
        expected = -np.sort(-temp_scale_pred_probs(self.honest[seen], 2.3), axis=1)
        self.assertAllClose(found.top_scores, expected, atol=1e-5)

    def test_the_calibration_error_is_that_of_a_loop_over_bins(self):
        rng = np.random.default_rng(1)
        confidence, is_right = rng.random(500), rng.random(500) < 0.6
        expected = 0.0
        for number in range(15):
            own = [i for i in range(500) if min(int(confidence[i] * 15), 14) == number]
            if own:
                gap = sum(confidence[i] for i in own) / len(own) - sum(is_right[i] for i in own) / len(own)
                expected += len(own) / 500 * abs(gap)
        self.assertAllClose(calibration_error(confidence, is_right), expected)

    def test_a_score_that_was_rounded_to_zero_gives_a_number(self):
        scores = np.array([[1.0, 0.0], [1.0, 0.0], [0.9, 0.1]])
        found = fit_temperature(pairs_of([0, 1, 0], scores, 2), 2)
        self.assertTrue(np.isfinite([*found.loss, found.temperature]).all())


class CalibratedLabelsTest(TopScoresCase):
    def setUp(self):
        super().setUp()
        write_predictions(self.predictions, CLASSES, self.weak, self.scores, 5, [120, 0, 180])
        self.clean = np.random.default_rng(2).integers(5, size=200)
        self.held_out = self.predictions.parent / "H"
        # Always as sure, and right in 2 of 5.
        sure = np.full((200, 5), 0.025, np.float32)
        sure[np.arange(200), (self.clean + (np.arange(200) % 5 > 1)) % 5] = 0.9
        write_predictions(self.held_out, CLASSES, self.clean, sure, 5, [200])

    def test_thresholds_are_of_the_calibrated_confidence(self):
        options = {"held_out": self.held_out, "calibrate": True}
        summary = assign.assign_labels(self.predictions, "teacher", self.labels, min_confidence=0.4, **options)
        temperature = summary["temperature"]
        self.assertGreater(temperature, 2)
        scaled = np.array([scaled_by_hand(row, temperature) for row in self.scores])
        expected = np.where(scaled.max(axis=1) >= 0.4, self.scores.argmax(axis=1), -1)
        self.assertAllEqual(read_columns(self.labels, "label")[0], expected)
        self.assertBetween(summary["kept"], 30, 270)
        self.assertIn("on 200 clean clips: -log p", summary["calibration"])

    def test_labels_of_another_temperature_are_others(self):
        first = assign.assign_labels(self.predictions, "mopro", self.labels, held_out=self.held_out)
        second = assign.assign_labels(self.predictions, "mopro", self.labels, held_out=self.held_out, calibrate=True)
        self.assertNotEqual(first["identity"], second["identity"])
        self.assertNotEqual(first["counts"], second["counts"])

    def test_without_clean_clips_there_is_nothing_to_calibrate_on(self):
        with self.assertRaisesRegex(UserError, "to calibrate the teacher, give --held_out"):
            assign.assign_labels(self.predictions, "teacher", self.labels, calibrate=True)
        self.assertFalse(self.labels.exists())


if __name__ == "__main__":
    tf.test.main()
