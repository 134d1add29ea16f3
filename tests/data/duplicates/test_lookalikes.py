"""The search in cells finds what comparing every view of all pairs finds."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.duplicates import lookalikes
from spl_tf.data.duplicates.fingerprints import MOMENTS, SIDE
from spl_tf.data.duplicates.lookalikes import LEAST_SIMILARITY, VIEWS, find_lookalikes

UPLOADS, PLANTED = 500, 40


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
    """Pictures of 4 x 4 less their mean, what changes twice as strong as what stays, as unit vectors."""
    coarse = pictures.reshape(len(pictures), MOMENTS, 4, SIDE // 4, 4, SIDE // 4).mean(axis=(3, 5))
    coarse -= coarse.mean(axis=(2, 3), keepdims=True)
    still = coarse.mean(axis=1, keepdims=True)
    flat = (still / 2 + (coarse - still)).reshape(len(pictures), -1)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def made_fingerprints():
    """Uploads of 120 scenes, some alike, and copies with borders cut off; copy -> original."""
    generator = np.random.default_rng(0)

    def smooth(count):
        coarse = generator.normal(size=(count * MOMENTS, 6, 6))
        large = [cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for picture in coarse]
        return np.reshape(large, (count, MOMENTS, SIDE, SIDE))

    scenes = smooth(120)[generator.integers(120, size=UPLOADS)]
    pictures = 128 + 30 * scenes + generator.uniform(5, 25, (UPLOADS, 1, 1, 1)) * smooth(UPLOADS)
    places = generator.permutation(UPLOADS)[: 2 * PLANTED].reshape(-1, 2)
    for copy, original in places:
        borders = generator.uniform(0, 0.12, 4) * generator.integers(0, 2, 4)
        pictures[copy] = 0.9 * shown(pictures[original], *borders) + generator.normal(0, 3, (MOMENTS, SIDE, SIDE))
    return np.clip(np.rint(pictures), 0, 255).astype(np.uint8), places


class LookalikesTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, monkeypatch):
        self.monkeypatch = monkeypatch

    def test_cells_find_what_comparing_all_pairs_finds(self):
        self.monkeypatch.setattr(lookalikes, "_ONE_CELL_UP_TO", 50)
        self.monkeypatch.setattr(lookalikes, "_CELL_SIZE", 20)
        pictures, planted = made_fingerprints()
        wanted = np.ones(UPLOADS, bool)
        wanted[planted[0, 0]] = False
        found = find_lookalikes([pictures[:200], pictures[200:]], wanted)
        pairs = {tuple(sorted(pair)) for pair in found.pairs[:, :2].tolist()}
        self.assertLen(pairs, len(found.pairs))
        # Eight of 25 cells are looked at.
        self.assertLess(found.compared, 0.5 * len(VIEWS) * UPLOADS**2)

        pictures = pictures.astype(np.float32)
        plain, similarity = vectors(pictures), []
        for view in VIEWS:
            x, y = (1 - view.x_scale) / 2, (1 - view.y_scale) / 2
            cut = shown(pictures, x + view.x_shift, x - view.x_shift, y + view.y_shift, y - view.y_shift)
            similarity.append(vectors(cut) @ plain.T)
        similarity = np.array(similarity)
        similarity[:, ~wanted] = similarity[:, :, ~wanted] = 0
        best = similarity.max(axis=0)
        best = np.triu(np.maximum(best, best.T), 1)
        self.assertEqual(pairs, set(map(tuple, np.argwhere(best >= LEAST_SIMILARITY).tolist())))
        self.assertContainsSubset({tuple(sorted(pair)) for pair in planted[1:].tolist()}, pairs)
        for first, second, view in found.pairs:
            self.assertNear(similarity[view, first, second], best[min(first, second), max(first, second)], 1e-3)
