"""Pairs are compared alike in this process and in others; one that ends a process is told of."""

import dataclasses

import cv2
import numpy as np
import pytest
import tensorflow as tf

from spl_tf.data.duplicates import pairs
from spl_tf.data.duplicates.alignment import Window, seen
from spl_tf.data.duplicates.fingerprints import SIDE
from spl_tf.data.duplicates.moments import View
from spl_tf.data.duplicates.near_duplicates import AROUND, Match
from spl_tf.data.duplicates.pairs import Pair, compare_pairs
from spl_tf.data.workers import Failure


def video(seed, count=48):
    """Smooth pictures that change all the time."""
    generator = np.random.default_rng(seed)
    pictures = [cv2.resize(coarse, (SIDE, SIDE)) for coarse in generator.normal(size=(count + 2, 5, 5))]
    pictures = (np.array(pictures[:-2]) + 2 * np.array(pictures[1:-1]) + np.array(pictures[2:])) / 4
    return np.clip(128 + 60 * pictures, 0, 255).astype(np.uint8)


class PairsTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, monkeypatch, capsys):
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def setUp(self):
        super().setUp()
        first = video(1)
        copy = np.clip(0.8 * first[4:-3].astype(float) + 20, 0, 255).astype(np.uint8)
        shown = np.concatenate([video(2), first[10:30], video(3)])
        others = [(first, copy, False), (first, video(4), False), (shown, first, False), (shown, first, True)]
        places = [(20, 16), (20, 20), (58, 20), (58, 20)]
        self.pairs = [
            Pair(one, other, View(), *at, by_pieces) for (one, other, by_pieces), at in zip(others, places, strict=True)
        ]

    def test_copies_and_pieces_of_held_out_videos_are_told_from_strangers(self):
        copy, stranger, piece, held_out = compare_pairs(self.pairs, 1)
        self.assertTrue(copy.is_most)
        self.assertLess(copy.distance, 0.02)
        self.assertIsNone(stranger)
        self.assertIsNone(piece)
        self.assertFalse(held_out.is_most)
        self.assertBetween(held_out.seconds, 4.0, 6.0)

    def test_what_a_view_shows_is_led_back_by_its_inverse(self):
        def shown(pictures, view):
            """As `compare` looks at a first video."""
            window = view.window
            if view.is_mirrored:
                pictures, window = pictures[:, :, ::-1], dataclasses.replace(window, x_shift=-window.x_shift)
            return seen(pictures, np.arange(len(pictures)), window)[0]

        slopes = np.indices((SIDE, SIDE)).astype(np.float32)  # Linear interpolation keeps them.
        for is_mirrored in (False, True):
            view = View(Window(0.8, 0.1, 0.9, 0.05), is_mirrored, 1.25)
            middle = np.s_[:, 4:-4, 4:-4]  # The margins lie outside of the window.
            self.assertAllClose(shown(shown(slopes, view), view.inverse())[middle], slopes[middle], atol=1e-3)
            self.assertNotAllClose(shown(slopes, view)[middle], slopes[middle], atol=0.5)
            self.assertAllClose(view.inverse().speed, 0.8)

    def test_what_moves_for_long_is_placed_the_other_way_round_too_and_nothing_else(self):
        calls = []

        def compare(first, second, view, first_place, second_place, around):
            calls.append((len(first), len(second), first_place, second_place, around))
            is_turned = len(first) < len(second)
            return Match(0.01, self.seconds, self.moves) if is_turned else Match(self.distance, 4.0, True)

        self.monkeypatch.setattr(pairs, "compare", compare)
        # The copy has seven seconds, of which 5.5 are most.
        pair = dataclasses.replace(self.pairs[0], first=video(1)[:29], second=video(1)[:28])
        for self.distance, self.seconds, self.moves, found, called in (
            (0.2, 6.5, True, True, 2),
            (0.2, 5.5, True, False, 4),
            (0.2, 6.5, False, False, 4),
            (0.4, 6.5, True, False, 2),
        ):
            calls.clear()
            (common,) = compare_pairs([pair], 1)
            self.assertEqual((common is not None, len(calls)), (found, called))
        self.assertEqual([call[2:] for call in calls], [(20, 16, around) for around in AROUND])

    def test_processes_find_the_same_to_the_bit(self):
        here = list(compare_pairs(self.pairs, 1))
        self.monkeypatch.setattr(pairs, "_WORTH_PROCESSES", 0)
        self.monkeypatch.setattr(pairs, "_PER_JOB", 3)
        for workers in (1, 2):
            self.assertEqual(list(compare_pairs(self.pairs, workers)), here)

    def test_what_could_not_be_compared_is_told(self):
        self.monkeypatch.setattr(pairs, "_WORTH_PROCESSES", 0)
        self.monkeypatch.setattr(pairs, "run_in_workers", lambda *_, **__: iter([Failure("out of memory")]))
        self.assertEqual(list(compare_pairs(self.pairs, 1)), [None] * 4)
        self.assertIn("4 pairs that look alike were not compared: out of memory", self.capsys.readouterr().out)
