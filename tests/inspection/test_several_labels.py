"""Numbers of a made multi-label set, compared with loops."""

import numpy as np
import tensorflow as tf

from spl_tf.data.dataset import ClipDataset
from spl_tf.data.survey import ClipHead, Survey
from spl_tf.inspection.several_labels import count_pairs, labels_of_videos, several_labels

CLASSES = tuple(f"class {number}" for number in range(30))


def _lines(text):
    return [" ".join(line.split()) for line in text.splitlines()]


class SeveralLabelsTest(tf.test.TestCase):
    def setUp(self):
        """40 videos of 1 to 29 labels, two clips each; the last class has none, the one before a single video."""
        super().setUp()
        rng = np.random.default_rng(0)
        sizes = [1, 28, *rng.integers(1, 28, 38)]
        self.videos = [rng.permutation(28)[:size].tolist() for size in sizes]
        self.videos[1].append(28)
        heads = [
            ClipHead(0, row, f"clip {row}", f"v{row // 2}", tuple(self.videos[row // 2]), 1.0, 4, 24, 32)
            for row in range(80)
        ]
        self.seen = Survey(heads, 1, 0)
        counts = {name: 2 * sum(index in own for own in self.videos) for index, name in enumerate(CLASSES)}
        self.counts = np.array(list(counts.values()))
        self.dataset = ClipDataset("d", CLASSES, (), 80, 40, counts, 1.0, 4.0, 24, 90, True, {})

    def test_labels_are_of_videos_not_of_clips(self):
        self.assertEqual(labels_of_videos(self.seen.heads, 30), [tuple(sorted(own)) for own in self.videos])
        self.assertEqual(labels_of_videos(self.seen.heads, 5)[0], tuple(x for x in self.videos[0] if x < 5))

    def test_pairs_are_those_of_a_loop_over_all(self):
        found = count_pairs(labels_of_videos(self.seen.heads, 30))
        for first in range(30):
            for second in range(first + 1, 30):
                both = sum(first in own and second in own for own in self.videos)
                self.assertEqual(found[first, second], both)

    def test_every_number_that_is_told(self):
        lines = _lines(several_labels(self.dataset, self.seen))
        sizes = np.array([len(own) for own in self.videos])
        mean, median = sizes.mean(), np.median(sizes)
        self.assertIn(f"Labels per video, 40 videos: mean {mean:.2f}, median {median:g}, 1 to 29", lines)
        for first in range(1, 30, 2):  # 29 numbers of labels in ranges of two.
            count = int(np.isin(sizes, [first, first + 1]).sum())
            self.assertTrue(any(line.startswith(f"{first} to {first + 1} {count}") for line in lines), lines)
        order = np.sort(self.counts)[::-1]
        for share in (0.5, 0.9):
            held = next(number for number in range(31) if order[:number].sum() >= share * order.sum())
            self.assertIn(f"largest classes with {share:.0%} of the labels {held}", lines)
        self.assertIn("classes with clips 29 of 30", lines)
        filled = order[:29]
        self.assertIn(f"clips of the largest, the median, the smallest {filled[0]}, {filled[14]}, {filled[28]}", lines)
        self.assertIn(f"classes of at most 10 clips {(filled <= 10).sum()}", lines)
        shares = []
        for own in self.videos:  # Each has two clips.
            summed = sum(1 / self.counts[index] for index in own)
            shares += [1 / self.counts[index] / summed for index in own]
        told = f"median {np.median(shares):.3g}, mean {np.mean(shares):.3g} (distribution_balanced.mu lies between)"
        self.assertTrue(any(line.endswith(told) for line in lines), lines)
        pairs = count_pairs(labels_of_videos(self.seen.heads, 30))
        self.assertIn(f"Pairs of classes that occur together: the 20 farthest beyond chance of {len(pairs)}", lines)
        videos = self.counts / 2
        excess = {(a, b): pairs[a, b] - videos[a] * videos[b] / 40 for a, b in pairs}
        first, second = min(excess, key=lambda pair: (-excess[pair], pair))
        both, alone = pairs[first, second], videos[[first, second]]
        expected = f"{CLASSES[first]} {CLASSES[second]} {both} {alone.prod() / 40:.1f} {both / alone.min():.0%}"
        self.assertEqual(lines[-20], expected)
        self.assertEqual(several_labels(self.dataset, self.seen), several_labels(self.dataset, self.seen))

    def test_of_a_part_of_the_videos_it_says_so(self):
        part = Survey(self.seen.heads[:20], 1, 0)
        self.assertIn("Labels per video, 10 videos of 40: mean", several_labels(self.dataset, part))
        self.assertEqual(several_labels(self.dataset, Survey([], 1, 0)), "")


if __name__ == "__main__":
    tf.test.main()
