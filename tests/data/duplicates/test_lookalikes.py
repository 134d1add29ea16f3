"""The search in cells finds what comparing every view of all moments finds; moments are where most changes."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.duplicates import cells
from spl_tf.data.duplicates.fingerprint_files import Chunk
from spl_tf.data.duplicates.fingerprints import SIDE
from spl_tf.data.duplicates.lookalikes import LEAST_SIMILARITY, VIEWS, find_lookalikes
from spl_tf.data.duplicates.moments import find_moments

UPLOADS, PLANTED, LENGTH = 240, 30, 25


def shown(pictures, left, right, top, bottom):
    """[..., SIDE, SIDE] without these shares of its sides, brought to the same size."""
    for first, last in ((left, right), (top, bottom)):  # Each time along the last axis, which is then the other one.
        places = np.linspace(first * SIDE, (1 - last) * SIDE, SIDE, endpoint=False) + (1 - first - last) / 2 - 0.5
        low = np.clip(places.astype(int), 0, SIDE - 2)
        share = np.clip(places - low, 0, 1).astype(np.float32)
        pictures = pictures[..., low] * (1 - share) + pictures[..., low + 1] * share
        pictures = np.swapaxes(pictures, -1, -2)
    return pictures


def vectors(pictures):
    """[N, 5, SIDE, SIDE] as 4 x 4 less their mean, what changes twice as strong as what stays, as unit vectors."""
    coarse = pictures.reshape(len(pictures), 5, 4, SIDE // 4, 4, SIDE // 4).mean(axis=(3, 5))
    coarse -= coarse.mean(axis=(2, 3), keepdims=True)
    still = coarse.mean(axis=1, keepdims=True)
    flat = (still / 2 + (coarse - still)).reshape(len(pictures), -1)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def made_pictures():
    """Uploads of 60 scenes, some alike, and copies with borders cut off, mirrored; (copy, original) rows."""
    generator = np.random.default_rng(0)

    def smooth(side, *count):
        coarse = generator.normal(size=(np.prod(count), side, side))
        large = [cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for picture in coarse]
        return np.reshape(large, (*count, SIDE, SIDE))

    scenes = smooth(6, 60, 1)[generator.integers(60, size=UPLOADS)]
    pictures = 128 + 30 * scenes + generator.uniform(5, 25, (UPLOADS, 1, 1, 1)) * smooth(4, UPLOADS, LENGTH)
    places = generator.permutation(UPLOADS)[: 2 * PLANTED].reshape(-1, 2)
    for copy, original in places:
        x, y = generator.uniform(0, 0.12, 2)
        turned = pictures[original][..., :: -1 if generator.integers(2) else 1]
        pictures[copy] = 0.9 * shown(turned, x, x, y, y) + generator.normal(0, 3, (LENGTH, SIDE, SIDE))
    return np.clip(np.rint(pictures), 0, 255).astype(np.uint8), places


def chunk_of(uploads):
    return Chunk(np.concatenate(uploads), np.cumsum([0, *map(len, uploads)]))


class LookalikesTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, monkeypatch):
        self.monkeypatch = monkeypatch

    def test_cells_find_what_comparing_all_pairs_finds(self):
        self.monkeypatch.setattr(cells, "_ONE_CELL_UP_TO", 50)
        self.monkeypatch.setattr(cells, "_CELL_SIZE", 20)
        pictures, planted = made_pictures()
        wanted = np.ones(UPLOADS, bool)
        wanted[planted[0, 0]] = False
        found = find_lookalikes(
            [chunk_of(pictures[:100]), chunk_of(pictures[100:])], wanted, np.zeros(UPLOADS, bool), 2
        )
        pairs = {tuple(sorted(pair)) for pair in found.pairs[:, :2].tolist()}
        self.assertLen(pairs, len(found.pairs))
        moments = find_moments([chunk_of(pictures)], np.ones(UPLOADS, bool), map)
        owners, places = moments.owner, moments.place
        self.assertLess(found.compared, 0.6 * len(VIEWS) * len(places) ** 2)

        whole = pictures.astype(np.float32)
        steps = np.arange(-4, 5, 2)
        plain, similarity = None, []
        for view in VIEWS:
            inside = np.clip(places[:, None] % LENGTH + np.rint(steps * view.speed).astype(int), 0, LENGTH - 1)
            around = whole[owners[:, None], inside]
            x, y = (1 - view.window.x_scale) / 2, (1 - view.window.y_scale) / 2
            cut = shown(around, x, x, y, y)[..., :: -1 if view.is_mirrored else 1]
            plain = vectors(around) if plain is None else plain
            similarity.append(vectors(cut) @ plain.T)
        best = np.zeros((UPLOADS, UPLOADS))
        np.maximum.at(best, (owners[:, None], owners[None]), np.max(similarity, axis=0))
        best[~wanted] = best[:, ~wanted] = 0
        best = np.triu(np.maximum(best, best.T), 1)
        # Not all of those: most show other things before and behind.
        self.assertContainsSubset(pairs, set(map(tuple, np.argwhere(best >= LEAST_SIMILARITY).tolist())))
        copies = {tuple(sorted(pair)) for pair in planted[1:].tolist()}
        # A copy of few moments may have others than its original.
        self.assertLessEqual(len(copies - pairs), 0.1 * len(copies))
        self.assertLess(len(pairs), 1.5 * len(copies))
        number = {(owner, place % LENGTH): row for row, (owner, place) in enumerate(zip(owners, places, strict=True))}
        for first, second, view, first_place, second_place in found.pairs.tolist():
            row, column = number[first, first_place], number[second, second_place]
            self.assertGreaterEqual(similarity[view][row, column], LEAST_SIMILARITY - 1e-4)

    def test_what_is_found_does_not_depend_on_the_number_of_threads(self):
        self.monkeypatch.setattr(cells, "_ONE_CELL_UP_TO", 50)
        self.monkeypatch.setattr(cells, "_CELL_SIZE", 20)
        pictures, _ = made_pictures()
        by_pieces = np.arange(UPLOADS) % 2 == 0
        found = [find_lookalikes([chunk_of(pictures)], by_pieces >= 0, by_pieces, workers) for workers in (1, 3)]
        self.assertNotEmpty(found[0].pairs)
        self.assertAllEqual(found[0].pairs, found[1].pairs)
        self.assertEqual(found[0].compared, found[1].compared)

    def test_of_different_clips_of_one_scene_few_pairs_are_listed(self):
        generator = np.random.default_rng(3)
        scene, *moving = (cv2.resize(coarse, (SIDE, SIDE)) for coarse in generator.normal(size=(301, 4, 4)))
        clips = 128 + 60 * scene + 10 * np.array(moving)[generator.integers(300, size=(60, 40))]
        clips[59] = clips[7] + generator.normal(0, 1, clips[7].shape)
        moments = vectors(clips[:, 10:20:2])
        self.assertAllGreater(moments @ moments.T, LEAST_SIMILARITY)
        chunk = chunk_of(np.clip(np.rint(clips), 0, 255).astype(np.uint8))
        found = find_lookalikes([chunk], np.ones(60, bool), np.zeros(60, bool), 2).pairs
        self.assertIn([7, 59], np.sort(found[:, :2]).tolist())
        self.assertLess(len(found), 0.02 * 60 * 59 / 2)

    def test_the_most_similar_of_other_owners_are_those_of_a_full_sort(self):
        generator = np.random.default_rng(2)
        known = generator.normal(size=(40, 4)).astype(np.float32)
        known /= np.linalg.norm(known, axis=1, keepdims=True)
        owners = np.sort(generator.integers(0, 12, 40))
        asked = generator.permutation(40)[:25]
        query, place, similarity, rest = cells.most_similar(known[asked], known, owners[asked], owners, 0.6, 3)
        expected, left = [], []
        for number, row in enumerate(asked):
            all_of_it = [(float(known[row] @ known[k]), k) for k in range(40) if owners[k] != owners[row]]
            enough = sorted((pair for pair in all_of_it if pair[0] >= 0.6), reverse=True)
            expected += [(number, k) for _, k in enough[:3]]
            left += [value for value, _ in enough[3:]]
        self.assertCountEqual(zip(query.tolist(), place.tolist(), strict=True), expected)
        self.assertAllClose(similarity, np.sum(known[asked[query]] * known[place], axis=1))
        self.assertAllClose(np.sort(rest[rest >= 0.6]), np.sort(left))
        self.assertNotEmpty(left)

    def test_moments_are_where_more_changes_than_within_a_second(self):
        generator = np.random.default_rng(1)
        uploads = [generator.integers(0, 256, (count, SIDE, SIDE)).astype(np.uint8) for count in (40, 3, 0, 1, 90, 9)]
        uploads.append(np.full((30, SIDE, SIDE), 90, np.uint8))
        expected = []
        for number, pictures in enumerate(uploads):
            reach = max(0, min(4, (len(pictures) - 1) // 3))
            change = np.full(len(pictures), -1.0)
            for place in range(reach, len(pictures) - reach):
                if 0 < place < len(pictures) - 1:
                    change[place] = np.mean((pictures[place + 1].astype(float) - pictures[place - 1]) ** 2)
                else:
                    change[place] = 0
            for place in range(reach, len(pictures) - reach):
                before, behind = change[max(0, place - 4) : place], change[place + 1 : place + 5]
                is_highest = change[place] > max(before, default=-1) and change[place] >= max(behind, default=-1)
                if is_highest or len(pictures) < 24:  # All of a short one.
                    expected.append((number, place))
        wanted = np.ones(len(uploads), bool)
        moments = find_moments([chunk_of(uploads[:4]), chunk_of(uploads[4:])], wanted, map)
        own = (moments.place - moments.first).tolist()
        self.assertEqual(list(zip(moments.owner.tolist(), own, strict=True)), expected)
        self.assertEqual(set(moments.owner.tolist()), {0, 1, 3, 4, 5, 6})
        self.assertAllEqual(moments.last - moments.first, [len(uploads[owner]) - 1 for owner in moments.owner])
        wanted[4] = False
        self.assertNotIn(4, find_moments([chunk_of(uploads)], wanted, map).owner)
