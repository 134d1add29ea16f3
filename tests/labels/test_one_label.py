"""One label for each video of several: algorithm 1 of NoisyActions2M against loops over classes and videos."""

import collections

import numpy as np
from absl.testing import absltest, parameterized

from spl_tf.labels.one_label import balanced_labels, balanced_pass, labelled_videos, random_labels
from tests.labels.several import several_labels


def _sparse(videos):
    return np.append(0, np.cumsum([len(own) for own in videos])), np.array([c for own in videos for c in own], np.int32)


def _long_tail(num_videos, num_classes, generator):
    """Labels of videos, frequent classes first in most of them."""
    shares = 1 / np.arange(1, num_classes + 1)
    sizes = generator.integers(1, 5, num_videos)
    return [generator.choice(num_classes, size, False, shares / shares.sum()).tolist() for size in sizes]


def _as_released(videos, shuffled):
    """The pass of the released code: class by class, video by video; `shuffled` gives the videos of a class in order.

    Returns the label of each video, None for none, and its partial labels.
    """
    of_class = {}
    for video, own in enumerate(videos):
        for label in own:
            of_class.setdefault(label, []).append(video)
    threshold = sum(map(len, of_class.values())) / len(of_class)
    label_of, partial = [None] * len(videos), [set() for _ in videos]
    for label, own in of_class.items():
        count = 0
        for video in shuffled(label, own):
            if label_of[video] is None and count <= threshold:
                label_of[video] = label
                count += 1
            else:
                partial[video].add(label)
    return label_of, partial


class BalancedTest(parameterized.TestCase):
    @parameterized.parameters(range(8))
    def test_the_pass_is_that_of_the_released_code_for_any_shuffles(self, seed):
        generator = np.random.default_rng(seed)
        videos = _long_tail(60, 4 + 2 * seed, generator)
        offsets, classes = _sparse(videos)
        keys = generator.permutation(len(classes)).astype(np.uint64)
        entries = [(video, label) for video, own in enumerate(videos) for label in own]
        key_of = dict(zip(entries, keys, strict=True))
        expected, partial = _as_released(videos, lambda c, own: sorted(own, key=lambda video: key_of[video, c]))
        found = balanced_pass(offsets, classes, keys)
        self.assertEqual([None if label < 0 else label for label in found], expected)
        for own, label, others in zip(videos, expected, partial, strict=True):  # So masked is all that is not chosen.
            self.assertEqual(others, set(own) - {label})

    def test_by_hand(self):
        # 8 labels of 4 classes: threshold 2, so 3 videos a class at most. 7 comes first, then 1, 5, 3.
        videos = [[7, 1], [7], [7], [7], [7, 5], [3]]
        offsets, classes = _sparse(videos)
        labels = balanced_pass(offsets, classes, np.arange(len(classes)))
        self.assertEqual(labels.tolist(), [7, 7, 7, -1, 5, 3])
        self.assertEqual(balanced_pass(*_sparse([]), np.zeros(0)).tolist(), [])

    def test_labels_of_thousands_of_epochs_are_as_frequent_as_those_of_the_loops(self):
        generator = np.random.default_rng(5)
        videos = _long_tail(12, 5, generator)
        offsets, classes = _sparse(videos)
        epochs = 2000
        found, expected = collections.Counter(), collections.Counter()
        for epoch in range(epochs):
            found.update(enumerate(balanced_labels(offsets, classes, 3, epoch).tolist()))
            labels, _ = _as_released(videos, lambda label, own: generator.permutation(own).tolist())
            for video, label in enumerate(labels):
                expected[video, videos[video][generator.integers(len(videos[video]))] if label is None else label] += 1
        self.assertEqual(found.keys() | expected.keys(), found.keys() & expected.keys())
        self.assertGreater(sum(0.05 * epochs < count < 0.95 * epochs for count in expected.values()), 10)
        for pair, count in expected.items():
            share = count / epochs
            self.assertAlmostEqual(
                found[pair] / epochs, share, delta=1e-3 + 5 * np.sqrt(2 * share * (1 - share) / epochs)
            )

    def test_labels_are_of_their_videos_and_a_function_of_seed_and_epoch(self):
        videos = _long_tail(300, 40, np.random.default_rng(1))
        offsets, classes = _sparse(videos)
        labels = {(seed, epoch): balanced_labels(offsets, classes, seed, epoch) for seed in (0, 1) for epoch in (0, 1)}
        for key, own in labels.items():
            self.assertEqual(own.dtype, np.int32)
            self.assertTrue(all(label in video for label, video in zip(own, videos, strict=True)))
            np.testing.assert_array_equal(balanced_labels(offsets, classes, *key), own)
        self.assertLen({own.tobytes() for own in labels.values()}, 4)
        spread = np.bincount(labels[0, 0], minlength=40), np.bincount(random_labels(offsets, classes, 0), minlength=40)
        self.assertLess(spread[0].max(), 0.7 * spread[1].max())

    def test_a_random_label_is_any_of_a_video_s_equally_often(self):
        videos = [[4], [0, 2, 1], [3, 2]]
        draws = np.array([random_labels(*_sparse(videos), seed) for seed in range(2000)])
        for own, drawn in zip(videos, draws.T, strict=True):
            counts = collections.Counter(drawn.tolist())
            self.assertEqual(set(counts), set(own))
            for count in counts.values():
                self.assertAlmostEqual(count / 2000, 1 / len(own), delta=5 * 0.5 / np.sqrt(2000))


class LabelledVideosTest(absltest.TestCase):
    def test_clips_of_a_video_are_one_as_far_as_their_labels_are(self):
        classes = [[2, 0], [1], [2, 0], None, [0, 2], [2], [], [1], [2, 0]]
        unknown = [[1], [], [], [2], [], [0], [0], [], []]
        videos = np.array([5, 3, 5, 5, 5, 5, 5, 9, 8])
        offsets, labels, of_clip = labelled_videos(several_labels(classes, unknown), videos)
        self.assertEqual(of_clip.tolist(), [0, 1, 0, -1, 0, 2, -1, 3, 4])
        self.assertEqual(np.split(labels, offsets[1:-1])[0].tolist(), [2, 0])
        self.assertEqual([own.tolist() for own in np.split(labels, offsets[1:-1])], [[2, 0], [1], [2], [1], [2, 0]])

    def test_no_clip_has_a_label(self):
        offsets, labels, of_clip = labelled_videos(several_labels([[], None]), np.zeros(2, np.int32))
        self.assertEqual((offsets.tolist(), labels.tolist(), of_clip.tolist()), ([0], [], [-1, -1]))


if __name__ == "__main__":
    absltest.main()
