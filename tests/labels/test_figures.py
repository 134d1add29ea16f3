import os
import warnings
from unittest import mock

import matplotlib.image
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from matplotlib import font_manager, get_data_path

from spl_tf.labels import figures
from spl_tf.labels.confusion import clips_per_class
from spl_tf.labels.labellers import labeller, spl, spl_b


class FiguresTest(parameterized.TestCase, tf.test.TestCase):
    def _pixels(self, draw, *arguments):
        path = os.path.join(self.get_temp_dir(), "figure.png")
        draw(*arguments, path)
        self.assertEqual(os.listdir(self.get_temp_dir()), ["figure.png"])
        return matplotlib.image.imread(path)[..., :3]

    @parameterized.parameters(4, 200)
    def test_a_cell_of_the_matrix_has_its_place_in_the_picture(self, num_classes):
        rng = np.random.default_rng(0)
        confusion = np.diag(rng.integers(500, 1000, num_classes)) + rng.integers(0, 3, (num_classes, num_classes))
        names = [f"class {index}" for index in range(num_classes)]
        pixels = self._pixels(figures.draw_confusion, confusion, names)
        self.assertGreater(min(pixels.shape[:2]), 600)
        # The diagonal is dark blue and runs from the upper left to the lower right. The colour bar stands right of it.
        dark = (pixels[:, : int(0.8 * pixels.shape[1])].sum(axis=-1) < 1.3) & (
            pixels[:, : int(0.8 * pixels.shape[1]), 2] > 0.4
        )
        rows, columns = np.nonzero(dark)
        self.assertGreater(len(rows), 2000)
        self.assertGreater(np.corrcoef(rows, columns)[0, 1], 0.9)

    @parameterized.parameters(
        ("spl_d", 4, {"num_labels": 5}), ("spl_m", 30, {"num_labels": 400}), ("spl", 30, {}), ("weak", 30, {})
    )
    def test_the_long_tail_shows_both_parts_in_their_colours(self, strategy, num_classes, options):
        rng = np.random.default_rng(0)
        confusion = rng.integers(0, 40, (num_classes, num_classes)) + 300 * np.eye(num_classes, dtype=int)
        label_map = labeller(strategy, **options).fit(confusion, [str(i) for i in range(num_classes)])
        pixels = self._pixels(figures.draw_long_tail, clips_per_class(confusion, label_map), label_map)
        blue = np.abs(pixels - np.array([0x2A, 0x5D, 0x9F]) / 255).max(axis=-1) < 0.02
        orange = np.abs(pixels - np.array([0xE0, 0x8A, 0x3C]) / 255).max(axis=-1) < 0.02
        self.assertGreater(blue.mean(), 0.01)
        self.assertEqual(orange.mean() > 0.002, strategy != "weak")

    def test_long_names_and_dollar_signs_leave_the_picture_whole(self):
        names = ["Pretending to put something onto something but something falls", "$1 and $2 _{", "a"]
        confusion = np.full((3, 3), 10)
        pixels = self._pixels(figures.draw_confusion, confusion, names)
        self.assertLess(pixels.min(axis=-1)[: pixels.shape[0] // 2].mean(), 0.95)
        label_map = spl(confusion, names)
        self._pixels(figures.draw_long_tail, np.full(9, 10), label_map)

    @parameterized.parameters("弓 馬弓", "ходьба 走路", "رماية")
    def test_names_in_any_script_are_drawn_without_a_warning(self, name):
        """With the fonts of a bare system: what they lack is a box."""
        confusion = np.full((2, 2), 10)
        label_map = spl(confusion, [name, "run"])
        with mock.patch.object(font_manager, "findSystemFonts", return_value=[]), warnings.catch_warnings():
            warnings.simplefilter("error")
            self._pixels(figures.draw_confusion, confusion, [name, "run"])
            self._pixels(figures.draw_long_tail, np.full(4, 10), label_map)
            figure = figures.confusion_figure(confusion, [name, "run"], rows="r", columns="c")
        shown = [text.get_text() for text in figure.axes[0].get_yticklabels()]
        self.assertEqual(shown, [name.translate(dict.fromkeys(map(ord, "弓馬走路"), "□")), "run"])

    def test_a_system_font_is_taken_for_what_matplotlib_s_own_lacks(self):
        path = os.path.join(get_data_path(), "fonts/ttf/STIXGeneral.ttf")
        with mock.patch.object(font_manager, "findSystemFonts", return_value=[path]):
            figure = figures.confusion_figure(np.full((2, 2), 10), ["a\u29ac", "b"], rows="r", columns="c")
        for labels in (figure.axes[0].get_xticklabels(), figure.axes[0].get_yticklabels()):
            self.assertEqual(labels[0].get_text(), "a\u29ac")
            self.assertEqual(labels[0].get_fontfamily(), ["DejaVu Sans", "STIXGeneral"])

    def test_empty_classes_and_queries_without_clips_are_drawn(self):
        label_map = spl_b(np.zeros((3, 3), int), list("abc"))
        self._pixels(figures.draw_long_tail, np.zeros(6, int), label_map)
        self._pixels(figures.draw_confusion, np.zeros((3, 3), int), list("abc"))


if __name__ == "__main__":
    tf.test.main()
