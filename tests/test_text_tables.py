"""Tables for the terminal, against hand-written ones."""

import tensorflow as tf

from spl_tf.text_tables import aligned_table, counted, markdown_table, reason_kind


class TextTablesTest(tf.test.TestCase):
    def test_columns_are_as_wide_as_their_widest_cell_and_lines_end_with_text(self):
        rows = [("run", "1,029", "largest"), ("long jump", "7", "")]
        self.assertEqual(aligned_table(rows, "<><"), "  run        1,029  largest\n  long jump      7")

    def test_text_that_looks_like_a_number_stays_as_it_is(self):
        rows = [("1e5", "007"), ("nan", "1_000"), ("-", "5.10")]
        self.assertEqual(aligned_table(rows, "<>"), "  1e5    007\n  nan  1_000\n  -     5.10")

    def test_wide_characters_take_two_columns(self):
        """Each line is 2 + 8 + 2 + 2 columns wide; \u8df3\u8dd1 are two characters of two columns."""
        rows = [("\u8df3\u8dd1", "12"), ("long one", "7")]
        self.assertEqual(aligned_table(rows, "<>"), "  \u8df3\u8dd1      12\n  long one   7")
        self.assertEqual(
            markdown_table(["name", "clips"], rows),
            "| name     | clips |\n|:---------|------:|\n| \u8df3\u8dd1     |    12 |\n| long one |     7 |",
        )

    def test_kinds_are_counted_with_the_most_frequent_first(self):
        reasons = ["too short (0.4 s)", *["not there"] * 1200, "too short (0.3 s)"]
        self.assertEqual(counted(map(reason_kind, reasons)), "not there 1,200, too short 2")


if __name__ == "__main__":
    tf.test.main()
