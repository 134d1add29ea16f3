import pathlib

import matplotlib.image
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.sidecars import Place
from spl_tf.data.thumbnails import Strip
from spl_tf.inspection.contact_sheet import PAGE_HEIGHT, draw_page, lay_out


class ContactSheetTest(parameterized.TestCase, tf.test.TestCase):
    def _draw(self, rows, label="id", families=("DejaVu Sans",), num_frames=2):
        path = pathlib.Path(self.create_tempdir().full_path) / "page.png"
        picture = np.zeros((84, 112 * num_frames, 3), np.uint8)
        picture[..., 0] = 255
        strips = [[Strip(Place(0, number), label, picture) for number in range(row.num_strips)] for row in rows]
        draw_page(rows, strips, lambda strip: strip.clip_id, path, num_frames=num_frames, families=families)
        return (255 * matplotlib.image.imread(path)[..., :3]).astype(int)

    @parameterized.parameters(1, 4, 16)
    def test_every_strip_has_one_place_and_no_page_is_too_high(self, num_frames):
        sizes = np.random.default_rng(0).integers(0, 40, 60).tolist() + [3000, 0, 5]
        pages = lay_out([f"group {group}" for group in range(len(sizes))], sizes, num_frames)
        rows = [row for page in pages for row in page]
        for group, size in enumerate(sizes):
            of_group = [row for row in rows if row.group == group]
            places = [row.first + number for row in of_group for number in range(row.num_strips)]
            self.assertEqual(places, list(range(size)))
            self.assertNotEmpty(of_group)
            self.assertNotIn("continued", of_group[0].caption)
            for row in of_group[1:]:
                self.assertEqual(row.caption, f"group {group} (continued)")
        self.assertEqual([row.group for row in rows], sorted(row.group for row in rows))
        # A line of strips is 84 pixels of picture and 23 for its text; 30 are for a caption.
        across = {1: 15, 4: 4, 16: 1}[num_frames]
        for page in pages:
            height = 24 + sum(30 + 107 * -(-row.num_strips // across) for row in page)
            self.assertBetween(height, 0, PAGE_HEIGHT)

    def test_a_page_has_the_height_that_was_laid_out_and_all_its_strips(self):
        rows = lay_out(["a", "b", "c"], [9, 0, 1], 2)[0]
        pixels = self._draw(rows)
        self.assertEqual(pixels.shape[:2], (24 + 30 + 2 * 107 + 30 + 30 + 107, 24 + 7 * (2 * 112 + 8) - 8))
        red = (pixels == (255, 0, 0)).all(axis=-1)
        self.assertEqual(red.sum(), 10 * 2 * 112 * 84)
        self.assertAllEqual(
            np.flatnonzero(red.any(axis=1))[[0, -1]], [12 + 30, 24 + 30 + 214 + 30 + 30 + 107 - 12 - 24]
        )

    def test_names_of_any_script_and_dollar_signs_are_written(self):
        inks = []
        for caption in ("", "a", "скачки", "رماية", "$1_{", "%s" * 400):
            pixels = self._draw(lay_out([caption], [0], 2)[0])
            self.assertEqual(pixels.shape[0], 54)
            self.assertGreater(pixels[:, -10:].min(), 250)  # Cut before the margin.
            inks.append((pixels[12:42, 12:].min(axis=-1) < 128).sum())
        self.assertEqual(inks[0], 0)
        self.assertGreater(min(inks[1:]), 10)

    def test_a_long_name_under_a_strip_leaves_its_neighbour_free(self):
        rows = lay_out(["a"], [1], 1)[0]
        for label in ("w" * 300, "漢" * 300):
            pixels = self._draw(rows, label, num_frames=1)
            text = pixels[12 + 30 + 84 : -24, 12:]
            self.assertLess(text[:, :112].min(), 150)
            self.assertGreater(text[:, 120:].min(), 250)


if __name__ == "__main__":
    tf.test.main()
