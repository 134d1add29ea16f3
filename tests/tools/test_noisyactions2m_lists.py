"""Class and label lists: equal to the byte after reading and writing, and nothing mended without a word."""

import pathlib

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from tools.noisyactions2m import lists

_DATA = pathlib.Path(__file__).parents[2].parent / "shared/data/noisyactions2m"


class ListsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def write(self, name, content):
        (self.folder / name).write_bytes(content)
        return self.folder / name

    def read(self, content, classes):
        report = []
        rows = lists.read_labels(self.write("list.txt", content), classes, report)
        return rows, [(fault.line, fault.kind, fault.detail) for fault in report]

    def test_the_authors_lists_are_written_equal_to_the_byte(self):
        if not _DATA.is_dir():
            self.skipTest(f"no lists of NoisyActions2M in {_DATA}")
        report = []
        classes = lists.read_classes(_DATA / "classInd25k.txt", report)
        rows = lists.read_labels(_DATA / "trainlist25k.txt", classes, report)
        self.assertEqual(report, [])
        lists.write_classes(self.folder / "classes.txt", classes)
        lists.write_labels(self.folder / "labels.txt", rows)
        for name, made in (("classInd25k.txt", "classes.txt"), ("trainlist25k.txt", "labels.txt")):
            self.assertEqual((self.folder / made).read_bytes(), (_DATA / name).read_bytes())
        self.assertEqual((len(classes), len(rows)), (5499, 27568))
        self.assertAlmostEqual(sum(len(labels) for _, labels in rows) / len(rows), 8.80, delta=0.005)

    def test_the_authors_hold_out_list_has_four_videos_without_label(self):
        if not _DATA.is_dir():
            self.skipTest(f"no lists of NoisyActions2M in {_DATA}")
        report = []
        classes = lists.read_classes(_DATA / "classInd25k.txt")
        rows = lists.read_labels(_DATA / "annotTest25k.txt", classes, report)
        self.assertLen(rows, 821)
        found = [(fault.line, fault.kind) for fault in report]
        empty = [(line, "video without label") for line in (364, 404, 603, 812)]
        self.assertEqual(found, [*empty, (825, "missing final newline")])

    def test_spaces_around_a_name_and_other_line_ends_within_it_survive(self):
        content = "1 petting animal  \n2  Skate\u2028board\n10 cliff\x0bdiving\n".encode()
        classes = lists.read_classes(self.write("c.txt", content))
        self.assertEqual(list(classes), [1, 2, 10])
        lists.write_classes(self.folder / "again.txt", classes)
        self.assertEqual((self.folder / "again.txt").read_bytes(), content)

    @parameterized.named_parameters(
        ("unknown_class", b"a 1|7|2\n", [("a", (1, 2))], [(1, "unknown class", "a 7")]),
        ("only_unknown", b"b 1\na 7\n", [("b", (1,))], [(2, "unknown class", "a 7"), (2, "video without label", "a")]),
        ("double_line", b"a 1|2\na 2|1\n", [("a", (1, 2))], [(2, "double line", "a, first in line 1")]),
        (
            "second_line",
            b"a 1\nb 2\na 2\n",
            [("a", (1,)), ("b", (2,))],
            [(3, "second line of a video with other labels", "a, first in line 1")],
        ),
        ("no_labels", b"b 1\na\n", [("b", (1,))], [(2, "not '<video id> <id|id|...>'", "a")]),
        ("empty_list", b"b 1\na \n", [("b", (1,))], [(2, "video without label", "a")]),
        ("empty_part", b"b 1\na 1||2\n", [("b", (1,))], [(2, "not '<video id> <id|id|...>'", "a 1||2")]),
        ("leading_zero", b"b 1\na 01\n", [("b", (1,))], [(2, "not '<video id> <id|id|...>'", "a 01")]),
        ("other_digits", "b 1\na \u0661\n".encode(), [("b", (1,))], [(2, "not '<video id> <id|id|...>'", "a \u0661")]),
        ("repeated_label", b"a 2|1|2\n", [("a", (2, 1))], [(1, "repeated label", "a 2|1|2")]),
        ("crlf", b"a 1\r\nb 2\r\n", [("a", (1,)), ("b", (2,))], [(1, "CRLF line end", ""), (2, "CRLF line end", "")]),
        ("blank_line", b"a 1\n\nb 2\n", [("a", (1,)), ("b", (2,))], [(2, "blank line", "")]),
        ("no_final_newline", b"a 1\nb 2", [("a", (1,)), ("b", (2,))], [(2, "missing final newline", "")]),
        ("byte_order_mark", b"\xef\xbb\xbfa 1\n", [("a", (1,))], [(1, "byte order mark", "")]),
    )
    def test_what_is_mended_is_named_with_its_line(self, content, rows, faults):
        self.assertEqual(self.read(content, {1: "x", 2: "y"}), (rows, faults))

    @parameterized.parameters(
        (b"", "has no classes"),
        (b"1 a\n1 b\n", "line 2 .* a second time"),
        (b"1 a\nb\n", "line 2 .* is not"),
        (b"1 a\n0 b\n", "line 2 .* is not"),
        (b"1 a\n2 \n", "line 2 .* is not"),
        (b"1 a\n2 \xff\n", "line 2 .* is not UTF-8"),
    )
    def test_a_class_list_that_cannot_be_read_is_refused(self, content, message):
        with self.assertRaisesRegex(UserError, message):
            lists.read_classes(self.write("c.txt", content))

    def test_two_classes_of_one_name_are_named(self):
        report = []
        lists.read_classes(self.write("c.txt", b"1 a\n2 b\n3 a\n"), report)
        self.assertEqual([(fault.line, fault.kind) for fault in report], [(3, "repeated class name")])

    @parameterized.parameters(b"", b"\n", b"a 7\n")
    def test_a_label_list_without_any_row_is_refused(self, content):
        with self.assertRaisesRegex(UserError, "has no line with a video and a label"):
            self.read(content, {1: "x"})

    @parameterized.parameters("", "  ", "a\nb", "a\r")
    def test_a_name_that_no_line_can_hold_is_refused(self, name):
        with self.assertRaisesRegex(UserError, "class 3 has the name"):
            lists.write_classes(self.folder / "c.txt", {3: name})

    def test_the_report_lists_and_its_summary_counts(self):
        report = []
        path = self.write("list.txt", b"a 1|9\r\nb 9\n")
        lists.read_labels(path, {1: "x"}, report)
        lists.write_report(self.folder / "report.csv", report)
        lines = (self.folder / "report.csv").read_text(encoding="utf-8").splitlines()
        self.assertEqual(lines[0], "file,line,kind,detail")
        self.assertEqual(lines[1:3], [f"{path},1,CRLF line end,", f"{path},1,unknown class,a 9"])
        text = lists.summary(report, "report.csv")
        self.assertIn("4 findings (unknown class 2, CRLF line end 1, video without label 1): see report.csv", text)


if __name__ == "__main__":
    tf.test.main()
