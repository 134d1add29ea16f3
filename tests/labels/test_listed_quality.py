"""Labels measured on listed clips: against a loop over clips, and against worlds whose numbers are known."""

import math

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.labels.label_quality import label_quality
from spl_tf.labels.listed_quality import listed_quality
from spl_tf.labels.targets import SingleLabels, distributions

WEIGHTS, DOUBTS = (0.3, 1.0, 3.0, 10.0, 30.0), (0.05, 0.15, 0.4, 0.7, 1.0)


def by_hand(entries, videos, classes, num_classes, expected):
    """Purity and bits: every entry (clip, label, share) is foretold by the entries of other videos."""
    width = num_classes + 1
    shares_of_class = [sum(row[y] for row in expected) / sum(map(sum, expected)) for y in range(num_classes)] + [0.0]
    by_class = [0.9 * share + 0.1 / width for share in shares_of_class]
    best = None
    for doubt in DOUBTS:
        for weight in WEIGHTS:
            bits = right = total = 0.0
            for clip, label, share in entries:
                of_label, of_all = [0.0] * width, [0.0] * width
                for other, other_label, other_share in entries:
                    if videos[other] != videos[clip]:
                        of_all[classes[other]] += other_share
                        if other_label == label:
                            of_label[classes[other]] += other_share
                prior = [(of_all[y] + 10 * by_class[y]) / (sum(of_all) + 10) for y in range(width)]
                row = expected[label]
                base = [row[y] / sum(row) for y in range(num_classes)] + [0.0]
                base = [(1 - doubt) * base[y] + doubt * prior[y] for y in range(width)]
                told = [(of_label[y] + weight * base[y]) / (sum(of_label) + weight) for y in range(width)]
                shown = classes[clip]
                bits += share * math.log2(told[shown] / prior[shown])
                right += share * (max(range(num_classes), key=told.__getitem__) == shown)
                total += share
            if best is None or bits / total > best[1]:
                best = right / total, bits / total
    return best


class ListedQualityTest(parameterized.TestCase, tf.test.TestCase):
    def _world(self, rng, num_clips):
        """Labels of four kinds and what clips of each show, of three classes."""
        shares = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.4, 0.3, 0.3]])
        labels = rng.integers(4, size=num_clips)
        shown = np.minimum((rng.random((num_clips, 1)) > shares.cumsum(axis=1)[labels]).sum(axis=1), 2)
        return labels.astype(np.int32), shown, shares

    @parameterized.parameters(False, True)
    def test_every_clip_is_foretold_by_its_label_and_other_videos(self, soft):
        rng = np.random.default_rng(0)
        labels, shown, shares = self._world(rng, 40)
        shown[::9] = 3  # None of the classes.
        labels[::7] = -1
        videos = rng.integers(15, size=40)
        expected = 30 * shares + rng.random((4, 3))
        if soft:
            probabilities = rng.dirichlet(np.ones(4), 40)
            targets = distributions(probabilities, labels >= 0)
            entries = [(c, l, float(probabilities[c, l])) for c in np.flatnonzero(labels >= 0) for l in range(4)]  # noqa: E741
        else:
            targets = SingleLabels(labels)
            entries = [(c, int(labels[c]), 1.0) for c in range(40) if labels[c] >= 0]
        found = listed_quality(targets, shown, videos, 3, expected)
        purity, bits = by_hand(entries, videos, shown.tolist(), 3, expected.tolist())
        self.assertAllClose((found.purity.value, found.bits.value), (purity, max(bits, 0)), atol=1e-6)
        kept = np.mean(labels >= 0)
        self.assertAllClose(found.kept.value, kept)
        self.assertAllClose(found.bits_per_clip.value, kept * found.bits.value)
        least = min(np.mean(labels[shown == y] >= 0) for y in range(3))
        self.assertAllClose(found.least_kept.value, least)

    def test_many_listed_clips_give_what_the_labels_are_worth(self):
        labels, shown, _ = self._world(np.random.default_rng(1), 6000)
        found = listed_quality(SingleLabels(labels), shown, np.arange(6000), 3)
        joint = np.zeros((4, 3))
        np.add.at(joint, (labels, shown), 1)
        counted = label_quality(joint, joint.sum(axis=0))
        self.assertAllClose(found.purity.value, counted.purity, atol=0.01)
        self.assertAllClose(found.bits.value, counted.bits, atol=0.01)
        self.assertBetween(counted.purity, found.purity.low, found.purity.high)
        self.assertLess(found.purity.high - found.purity.low, 0.04)

    @parameterized.parameters((9, 3, 60), (200, 50, 300), (2000, 50, 300))
    def test_labels_that_tell_nothing_do_not_look_as_if_they_did(self, num_labels, num_classes, num_clips):
        bits, purity, counted = [], [], []
        for seed in range(4):
            rng = np.random.default_rng(seed)
            labels, shown = rng.integers(num_labels, size=num_clips), rng.integers(num_classes, size=num_clips)
            found = listed_quality(SingleLabels(labels.astype(np.int32)), shown, np.arange(num_clips), num_classes)
            joint = np.zeros((num_labels, num_classes))
            np.add.at(joint, (labels, shown), 1)
            counted.append(label_quality(joint, joint.sum(axis=0)).bits)
            bits.append(found.bits.value)
            purity.append(found.purity.value)
        self.assertGreater(np.mean(counted), 0.15)
        self.assertLess(np.mean(bits), 0.05)
        self.assertLess(np.mean(purity), 1 / num_classes + 0.08)

    def test_of_few_clips_what_is_expected_helps_and_does_not_flatter(self):
        alone, helped = [], []
        for seed in range(60):
            labels, shown, shares = self._world(np.random.default_rng(seed), 40)
            videos = np.arange(40)
            alone.append(listed_quality(SingleLabels(labels), shown, videos, 3).bits.value)
            helped.append(listed_quality(SingleLabels(labels), shown, videos, 3, 100 * shares).bits.value)
        _, _, shares = self._world(np.random.default_rng(0), 1)
        true = label_quality(shares, shares.sum(axis=0)).bits
        self.assertGreater(np.mean(helped), np.mean(alone))
        self.assertLess(np.mean(alone), true + 0.03)
        self.assertLess(np.mean(helped), true + 0.1)

    def test_clips_of_one_video_count_as_one_in_the_interval(self):
        labels, shown, _ = self._world(np.random.default_rng(2), 80)
        once = listed_quality(SingleLabels(labels), shown, np.arange(80), 3).purity
        again = listed_quality(
            SingleLabels(np.repeat(labels, 10)), np.repeat(shown, 10), np.repeat(np.arange(80), 10), 3
        )
        self.assertAllClose(again.purity.high - again.purity.low, once.high - once.low, atol=0.06)
        self.assertGreater(again.purity.high - again.purity.low, 0.12)

    def test_a_clip_that_shows_none_of_the_classes_is_right_with_no_label(self):
        found = listed_quality(SingleLabels(np.zeros(40, np.int32)), np.repeat([0, 3], 20), np.arange(40), 3)
        self.assertEqual((found.purity.value, found.kept.value, found.least_kept.value), (0.5, 1, 1))
        found = listed_quality(SingleLabels(np.zeros(40, np.int32)), np.full(40, 3), np.arange(40), 3)
        self.assertEqual(found.purity.value, 0)

    def test_nothing_kept_is_nothing_measured(self):
        self.assertIsNone(listed_quality(SingleLabels(np.full(3, -1, np.int32)), np.zeros(3, int), np.arange(3), 3))


if __name__ == "__main__":
    tf.test.main()
