"""Wrong bits in files: how many, where, and the same ones every time."""

import os
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from tools.robustness import corruption
from tools.robustness.corruption import ContiguousSegment, Job, RandomFlips, corrupt_file


def mask_of(how, num_bytes, seed):
    return np.concatenate([np.zeros(0, np.uint8), *how.masks(num_bytes, np.random.default_rng(seed))])


class MasksTest(parameterized.TestCase, tf.test.TestCase):
    def test_flips_are_binomial_and_spread_over_all_bits(self):
        bits = np.array([np.unpackbits(mask_of(RandomFlips(0.02), 50, seed)) for seed in range(4_000)])
        counts = bits.sum(axis=1)
        # Of 400 bits: mean 8, variance 7.84.
        self.assertAllClose(counts.mean(), 8, atol=0.2)
        self.assertAllClose(counts.var(), 7.84, rtol=0.1)
        # Each bit 80 times; of 399 degrees of freedom above 514 once in 10,000 draws.
        self.assertBetween(np.sum((bits.sum(axis=0) - 80) ** 2 / (80 * 0.98)), 300, 514)

    def test_no_flip_and_every_flip(self):
        self.assertAllEqual(mask_of(RandomFlips(0.0), 1000, 0), np.zeros(1000))
        self.assertAllEqual(mask_of(RandomFlips(1.0), 1000, 0), np.full(1000, 255))
        self.assertEmpty(mask_of(RandomFlips(0.5), 0, 0))

    @parameterized.parameters((0.75, 100, 75), (0.75, 7, 5), (0.0, 9, 0), (1.0, 9, 9), (0.5, 1, 0))
    def test_a_segment_has_its_length_and_may_begin_anywhere(self, share, num_bytes, length):
        starts = set()
        for seed in range(300):
            mask = mask_of(ContiguousSegment(share, "invert"), num_bytes, seed)
            places = np.flatnonzero(mask)
            self.assertLen(mask, num_bytes)
            self.assertAllEqual(mask[places], np.full(length, 255))
            if length:
                self.assertAllEqual(places, np.arange(places[0], places[0] + length))
                starts.add(int(places[0]))
        if length:
            self.assertEqual(starts, set(range(num_bytes - length + 1)))

    def test_random_bits_are_independent_of_what_was_there(self):
        flipped = np.array([np.unpackbits(mask_of(ContiguousSegment(1.0, "random"), 20, s)) for s in range(2_000)])
        self.assertAllClose(flipped.mean(axis=0), np.full(160, 0.5), atol=0.05)
        inside = mask_of(ContiguousSegment(0.75, "random"), 4_000, 0)
        places = np.flatnonzero(inside)
        self.assertBetween(places[-1] - places[0], 2_980, 2_999)

    def test_pieces_join_without_a_seam(self):
        with mock.patch.object(corruption, "_PIECE", 16):
            for seed in range(50):
                mask = mask_of(ContiguousSegment(0.75, "invert"), 100, seed)
                places = np.flatnonzero(mask)
                self.assertAllEqual(places, np.arange(places[0], places[0] + 75))
            bits = [np.unpackbits(mask_of(RandomFlips(0.1), 100, seed)).sum() for seed in range(1_000)]
        self.assertAllClose([np.mean(bits), np.var(bits)], [80, 72], rtol=0.15)


class CorruptFileTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.content = np.random.default_rng(0).integers(0, 256, 20_000, np.uint8)
        (self.folder / "a.avi").write_bytes(self.content.tobytes())

    def corrupt(self, how, name="a.avi", target="out/a.avi", seed=0):
        made = corrupt_file(Job(name, str(self.folder / "a.avi"), str(self.folder / target), how, seed))
        return made, np.frombuffer((self.folder / target).read_bytes(), np.uint8)

    @parameterized.parameters(
        RandomFlips(0.0), RandomFlips(1e-3), ContiguousSegment(0.75, "invert"), ContiguousSegment(0.5, "random")
    )
    def test_what_is_counted_is_what_differs(self, how):
        made, found = self.corrupt(how)
        self.assertEqual(made.num_bytes, 20_000)
        self.assertEqual(made.num_flipped, np.unpackbits(found ^ self.content).sum())
        self.assertEqual(made.sha256, corruption.files.sha256(self.folder / "out/a.avi"))

    def test_the_segment_is_the_exact_inverse(self):
        made, found = self.corrupt(ContiguousSegment(0.75, "invert"))
        places = np.flatnonzero(found != self.content)
        self.assertLen(places, 15_000)
        self.assertAllEqual(found[places], 255 - self.content[places])
        self.assertEqual(made.num_flipped, 120_000)

    def test_name_and_seed_decide_and_nothing_else(self):
        how = RandomFlips(1e-3)
        _, first = self.corrupt(how)
        _, again = self.corrupt(how, target="elsewhere/b.avi")
        self.assertAllEqual(first, again)
        for changed in ({"name": "b.avi"}, {"seed": 1}):
            _, other = self.corrupt(how, target="other.avi", **changed)
            self.assertNotAllEqual(first, other)

    def test_a_file_with_the_right_bytes_is_kept_and_another_is_replaced(self):
        how, path = ContiguousSegment(0.5, "random"), self.folder / "out/a.avi"
        made, first = self.corrupt(how)
        before = os.stat(path)
        self.assertEqual(self.corrupt(how)[0], made)
        self.assertEqual((os.stat(path).st_ino, os.stat(path).st_mtime_ns), (before.st_ino, before.st_mtime_ns))
        for damaged in (first[:-1], 255 - first):
            path.write_bytes(damaged.tobytes())
            self.assertAllEqual(self.corrupt(how)[1], first)
        self.assertEqual([child.name for child in path.parent.iterdir()], ["a.avi"])


if __name__ == "__main__":
    tf.test.main()
