import pathlib
from unittest import mock

import tensorflow as tf
from matplotlib import font_manager, get_data_path

from spl_tf.fonts import font_families

FONTS = pathlib.Path(get_data_path()) / "fonts/ttf"


class FontsTest(tf.test.TestCase):
    def _families(self, text, *files):
        with mock.patch.object(font_manager, "findSystemFonts", return_value=[str(FONTS / file) for file in files]):
            return font_families([text])

    def test_european_and_arabic_names_need_no_other_font(self):
        self.assertEqual(
            self._families("Bogenschießen, скачки, τοξοβολία, رماية", "STIXGeneral.ttf"), (["DejaVu Sans"], "")
        )

    def test_a_system_font_is_taken_for_the_rest(self):
        # A sign of geometry that DejaVu Sans lacks.
        families, missing = self._families("a\u29ac", "cmr10.ttf", "nowhere.ttf", "STIXGeneral.ttf")
        self.assertEqual((families, missing), (["DejaVu Sans", "STIXGeneral"], ""))

    def test_characters_without_any_font_are_reported(self):
        self.assertEqual(self._families("弓 a 馬弓", "cmr10.ttf"), (["DejaVu Sans"], "弓馬"))


if __name__ == "__main__":
    tf.test.main()
