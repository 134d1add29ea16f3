import numpy as np
import tensorflow as tf

from spl_tf.data.random_clips import Draw, cell_groups, draw_by_cell, weak_groups
from spl_tf.data.sidecars import WeakPairs


class DrawTest(tf.test.TestCase):
    def _drawn(self, rng, batches):
        """Rows drawn of group 1 of 12 clips, every third of another group and one of none."""
        groups = np.array([1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, -1])
        draw = Draw(3, rng)
        for rows in np.array_split(np.arange(12), batches):
            draw.offer(groups[rows], 5, rows)
        places = draw.places(3)
        self.assertEqual([len(group) for group in places], [3, 3, 0])
        self.assertEqual({place.shard for group in places for place in group}, {5})
        return [place.row for place in places[1]]

    def test_every_clip_of_a_group_has_the_same_chance(self):
        rng = np.random.default_rng(0)
        times = 1500
        counts = np.bincount([row for _ in range(times) for row in self._drawn(rng, 3)], minlength=12)
        members = np.array([0, 1, 3, 4, 6, 7, 9, 10])
        self.assertEqual(counts.sum(), counts[members].sum())
        expected = times * 3 / 8
        self.assertAllClose(counts[members], np.full(8, expected), atol=5 * np.sqrt(expected))

    def test_the_draw_does_not_hang_on_the_batches(self):
        whole, parts = (self._drawn(np.random.default_rng(4), batches) for batches in (1, 5))
        self.assertEqual(whole, parts)

    def test_a_group_smaller_than_the_draw_is_drawn_whole(self):
        draw = Draw(10, np.random.default_rng(0))
        draw.offer(np.zeros(4, int), np.array([0, 0, 1, 1]), np.array([7, 8, 7, 8]))
        places = [(place.shard, place.row) for place in draw.places(1)[0]]
        self.assertCountEqual(places, [(0, 7), (0, 8), (1, 7), (1, 8)])

    def test_cells_are_numbered_by_falling_count_and_ties_by_place(self):
        confusion = np.array([[5, 0, 9], [7, 7, 0], [0, 1, 5]])
        self.assertAllEqual(cell_groups(confusion, 4), [[3, -1, 0], [1, 2, -1], [-1, -1, -1]])
        self.assertAllEqual(cell_groups(confusion, 100), [[3, -1, 0], [1, 2, -1], [-1, 5, 4]])
        self.assertAllEqual(weak_groups([0, 1], 3), [[0, 0, 0], [1, 1, 1], [-1, -1, -1]])
        self.assertAllEqual(weak_groups([2, 0], 3), [[1, 1, 1], [-1, -1, -1], [0, 0, 0]])

    def test_clips_of_a_cell_carry_their_row_and_prediction(self):
        rng = np.random.default_rng(0)
        weak, teacher = rng.integers(0, 3, (2, 200))
        confidence = rng.random(200, np.float32)
        pairs = [
            WeakPairs(2, 0, weak[:90], teacher[:90], confidence[:90]),
            WeakPairs(2, 90, weak[90:], teacher[90:], confidence[90:]),
        ]
        groups = np.arange(9).reshape(3, 3) - 1
        for group, places in enumerate(draw_by_cell(iter(pairs), groups, 8, 4, rng)):
            self.assertLen(places, 4)
            for place in places:
                self.assertEqual(groups[weak[place.row], teacher[place.row]], group)
                found = (place.shard, place.teacher, place.confidence)
                self.assertEqual(found, (2, teacher[place.row], confidence[place.row]))


if __name__ == "__main__":
    tf.test.main()
