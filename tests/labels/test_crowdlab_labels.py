"""CROWDLAB against cleanlab's own numbers, its weights against a count of a made world, side-cars against a loop."""

from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.labels import assign, labellers
from spl_tf.labels.crowdlab_labels import Crowdlab, voice_weight
from spl_tf.labels.label_folder import read_summary
from spl_tf.labels.label_map import Pairs
from spl_tf.labels.predictions import open_predictions
from spl_tf.labels.teacher_confusion import held_out_confusion
from tests.labels.top_scores import CLASSES, TopScoresCase, read_columns, write_predictions

TRUTH = np.array([0, 1, 2, 3, 0, 1, 2, 0])
QUERY = np.array([0, 1, 0, 3, 0, 2, 2, 0], np.int32)
SCORES = np.array(
    [
        [0.844, 0.09, 0.004, 0.062],
        [0.003, 0.655, 0.296, 0.046],
        [0.14, 0.094, 0.742, 0.024],
        [0.13, 0.066, 0.018, 0.786],
        [0.018, 0.68, 0.032, 0.27],
        [0.003, 0.626, 0.174, 0.197],
        [0.086, 0.16, 0.732, 0.022],
        [0.61, 0.122, 0.216, 0.052],
    ]
)
# cleanlab 2.9.0, multiannotator._get_post_pred_probs_and_weights of these, see `posterior_of_cleanlab`.
CLEANLAB = np.array(
    [
        [0.803714, 0.087143, 0.038, 0.071143],
        [0.037429, 0.695714, 0.204857, 0.062],
        [0.401429, 0.089429, 0.459714, 0.049429],
        [0.11, 0.073429, 0.046, 0.770571],
        [0.331714, 0.424286, 0.054, 0.19],
        [0.037429, 0.393429, 0.420857, 0.148286],
        [0.084857, 0.127143, 0.739714, 0.048286],
        [0.67, 0.105429, 0.159143, 0.065429],
    ]
)
CLEANLAB_WEIGHTS = (0.6, 0.8)


def posterior_of_cleanlab(multiannotator):
    """Its posterior and the weights of annotator and model, one annotator a clip and the consensus being the truth.

    It estimates an annotator's accuracy on clips of several annotators, which here there are none of: it is told.
    """
    agrees = (QUERY == TRUTH).astype(float)
    told = mock.patch.object(
        multiannotator, "_get_annotator_agreement_with_annotators", return_value=np.array([agrees.mean()])
    )
    with told:
        num_annotations = np.full(len(TRUTH), 1 + 1e-12)  # It passes over clips of exactly one.
        posterior, model, annotator = multiannotator._get_post_pred_probs_and_weights(
            QUERY[:, np.newaxis].astype(float), TRUTH, SCORES, num_annotations, agrees
        )
    return posterior, (annotator[0], model)


def stored(scores, k):
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k].astype(np.int32)
    return order, np.take_along_axis(scores, order, axis=1).astype(np.float32)


class CrowdlabTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        right = [np.mean(QUERY == TRUTH), np.mean(SCORES.argmax(axis=1) == TRUTH)]
        self.weights = [voice_weight(each, 1 - np.bincount(TRUTH).max() / len(TRUTH)) for each in right]
        self.labeller = Crowdlab(tuple("abcd"), right[0], *self.weights)

    def _targets(self, k):
        order, scores = stored(SCORES, k)
        return self.labeller.targets(Pairs(QUERY, order[:, 0], None, order, scores))

    def test_with_all_scores_it_is_cleanlab_s(self):
        self.assertAllClose(self.weights, CLEANLAB_WEIGHTS)
        self.assertAllClose(self._targets(4).dense(4), CLEANLAB, atol=1e-5)

    def test_the_table_above_is_still_cleanlab_s(self):
        try:
            from cleanlab import multiannotator
        except ImportError:
            self.skipTest("cleanlab is not installed")
        posterior, weights = posterior_of_cleanlab(multiannotator)
        self.assertAllClose(posterior, CLEANLAB, atol=1e-6)
        self.assertAllClose(weights, CLEANLAB_WEIGHTS)

    @parameterized.parameters(1, 2, 3)
    def test_of_fewer_scores_the_rest_is_shared_in_proportion(self, k):
        order, _ = stored(SCORES, k)
        found = self._targets(k)
        for clip, own in enumerate(found.dense(4)):
            expected = np.zeros(4)
            for label in range(4):
                said = 0.75 if label == QUERY[clip] else 0.25 / 3
                left = 1 - SCORES[clip][order[clip]].sum()
                score = SCORES[clip][label] if label in order[clip] else left / (4 - k)
                if label in order[clip] or label == QUERY[clip]:
                    expected[label] = 0.8 * score + 0.6 * said
            self.assertAllClose(own, expected / expected.sum(), atol=1e-5)
        self.assertLessEqual(np.diff(found.offsets).max(), k + 1)

    @parameterized.parameters((0.9, 0.2, 1.0, "weak"), (0.5, 0.4, 0.6, "teacher"))
    def test_the_table_says_what_clips_get_of_which_the_teacher_is_certain(self, right, query, teacher, expected):
        labeller = Crowdlab(tuple("abcd"), right, query, teacher)
        if expected == "weak":
            labeller = Crowdlab(tuple("abcd"), right, teacher, query)
        weak, seen = np.indices((4, 4), dtype=np.int32).reshape(2, -1)
        order, scores = stored(np.eye(4)[seen], 4)
        found = labeller.targets(Pairs(weak, seen, None, order, scores)).dense(4).argmax(axis=1)
        self.assertAllEqual(labeller.table.ravel(), found)

    def test_a_voice_that_is_no_better_than_a_guess_has_hardly_any_weight(self):
        self.assertAllClose([voice_weight(0.3, 0.6), voice_weight(1.0, 0.6), voice_weight(0.7, 0.0)], [1e-6, 1, 1e-6])

    def test_weights_are_those_of_the_world_behind_the_counts(self):
        """Queries right for 55, 80 and 40 % of their clips; a teacher right on 90, 70 and 80 % of the classes."""
        queries = np.array([[0.55, 0.25, 0.2], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
        clips = np.array([1_000_000, 3_000_000, 2_000_000])
        rates = np.array([[0.9, 0.05, 0.05], [0.1, 0.7, 0.2], [0.1, 0.1, 0.8]])
        shown = clips[:, np.newaxis] * queries
        found = labellers.crowdlab(np.rint(shown @ rates).astype(np.int64), list("abc"), rates)
        total, of_class = shown.sum(), shown.sum(axis=0)
        guess = 1 - of_class.max() / total
        self.assertAllClose(found.query_right, np.trace(shown) / total, atol=2e-3)
        self.assertAllClose(found.query_weight, 1 - (1 - np.trace(shown) / total) / guess, atol=5e-3)
        teacher = of_class @ np.diag(rates) / total
        self.assertAllClose(found.teacher_weight, 1 - (1 - teacher) / guess, atol=5e-3)


class HeldOutTest(TopScoresCase):
    """Labellers that go by the teacher's confusion, from side-cars to side-cars."""

    def setUp(self):
        super().setUp()
        write_predictions(self.predictions, CLASSES, self.weak, self.scores, 5, [120, 0, 180])
        rng = np.random.default_rng(1)
        self.clean = np.arange(100) % 5
        self.clean_scores = (0.5 * np.eye(5)[self.clean] + 0.5 * rng.dirichlet(np.ones(5), 100)).astype(np.float32)
        self.held_out = self.predictions.parent / "H"
        write_predictions(self.held_out, CLASSES, self.clean, self.clean_scores, 5, [60, 40])

    def _assign(self, strategy, **options):
        return assign.assign_labels(self.predictions, strategy, self.labels, held_out=self.held_out, **options)

    def _written(self):
        table = np.zeros((300, 5))
        for row, (classes, values) in enumerate(
            zip(*read_columns(self.labels, "classes", "probabilities"), strict=True)
        ):
            if classes is not None:
                table[row, classes] = values
        return table

    def test_the_confusion_is_that_of_the_clean_clips(self):
        found = held_out_confusion(open_predictions(self.held_out))
        counts = np.full((5, 5), 0.2)
        for own, scores in zip(self.clean, self.clean_scores, strict=True):
            counts[own, scores.argmax()] += 1
        self.assertAllClose(found.rates, counts / counts.sum(axis=1, keepdims=True))
        self.assertIn("predictions of 100 clean clips in", found.source)
        self.assertIn("unless the teacher learned from them", found.source)

    @parameterized.parameters(0.0, 0.6)
    def test_cell_posteriors_are_bayes_over_the_query_s_mixture(self, min_confidence):
        from spl_tf.labels.cell_truth import classes_of_queries

        summary = self._assign("cell_posterior", min_confidence=min_confidence)
        rates = held_out_confusion(open_predictions(self.held_out), min_confidence).rates
        teacher, sure = self.scores.argmax(axis=1), self.scores.max(axis=1) >= min_confidence
        counts = np.zeros((5, 5), np.int64)
        np.add.at(counts, (self.weak[sure], teacher[sure]), 1)
        mixtures = classes_of_queries(counts, rates)
        written = self._written()
        for row in range(300):
            expected = np.array([mixtures[self.weak[row], y] * rates[y, teacher[row]] for y in range(5)])
            expected /= expected.sum()
            self.assertAllClose(written[row], expected if sure[row] else np.zeros(5), atol=6e-3)
        self.assertEqual((summary["target"], summary["kept"]), ("distribution", sure.sum()))

    def test_crowdlab_labels_every_clip_by_its_own_scores(self):
        summary = self._assign("crowdlab")
        counts = np.zeros((5, 5), np.int64)
        np.add.at(counts, (self.weak, self.scores.argmax(axis=1)), 1)
        fitted = labellers.crowdlab(counts, CLASSES, held_out_confusion(open_predictions(self.held_out)).rates)
        weak_says = np.full((300, 5), (1 - fitted.query_right) / 4)
        weak_says[np.arange(300), self.weak] = fitted.query_right
        mean = (fitted.teacher_weight * self.scores + fitted.query_weight * weak_says) / (
            fitted.teacher_weight + fitted.query_weight
        )
        self.assertAllClose(self._written(), mean, atol=3e-3)
        self.assertEqual(summary["kept"], 300)
        self.assertBetween(summary["expected"]["purity"], 0.2, 1.0)

    def test_the_same_strategy_by_other_held_out_predictions_is_another(self):
        first = self._assign("cell_posterior")
        self.clean_scores = np.roll(self.clean_scores, 1, axis=1)
        write_predictions(self.held_out, CLASSES, self.clean, self.clean_scores, 5, [60, 40])
        self.assertNotEqual(self._assign("cell_posterior")["identity"], first["identity"])
        self.assertTrue(self.labels.with_name("L.replaced-1").is_dir())

    def test_labels_that_do_not_need_them_are_the_same_with_and_without(self):
        plain = assign.assign_labels(self.predictions, "spl_b", self.labels)
        self.assertIsNone(plain.pop("expected"))
        with_held_out = self._assign("spl_b")
        self.assertIn("clean clips in", with_held_out.pop("expected")["from"])
        self.assertEqual(plain, with_held_out)
        self.assertFalse(self.labels.with_name("L.replaced-1").exists())
        self.assertEqual(read_summary(self.labels).strategy, "spl_b")

    @parameterized.parameters("cell_posterior", "crowdlab")
    def test_without_held_out_predictions_it_is_refused_before_anything_is_written(self, strategy):
        with self.assertRaisesRegex(
            UserError, f"^{strategy} has to know how .*: give --held_out, which spl_tf.cross_v"
        ):
            assign.assign_labels(self.predictions, strategy, self.labels)
        self.assertFalse(self.labels.exists())

    def test_held_out_predictions_of_other_classes_are_refused(self):
        write_predictions(self.held_out, list("abcdx"), self.clean, self.clean_scores, 5, [60, 40])
        with self.assertRaisesRegex(UserError, "class 4 is 'e' in .*P and 'x' in .*H: both must be made with one"):
            self._assign("crowdlab")

    def test_another_threshold_of_mopro_is_another_labelling(self):
        first = assign.assign_labels(self.predictions, "mopro", self.labels)
        second = assign.assign_labels(self.predictions, "mopro", self.labels, threshold=0.5)
        self.assertNotEqual(first["identity"], second["identity"])


if __name__ == "__main__":
    tf.test.main()
