"""Tables as people write them: whatever cannot be read whole is refused with its line, no row vanishes."""

import csv
import io
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.lists.rows import read_rows
from spl_tf.errors import UserError


class CsvTablesTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "m.csv"

    def read(self, text):
        self.path.write_text(text, newline="")
        return list(read_rows(self.path))

    @parameterized.named_parameters(
        ("to the end", 'a.mp4,walk,one\nb.mp4,run,"two\nc.mp4,run,three\nd.mp4,walk,four\n', "row in line 3 "),
        ("to the next quote", 'b.mp4,run,"two\nc.mp4,run,three"\nd.mp4,walk,four\n', "line 2 .* takes in line 3"),
        (
            "to a quote that opens",
            'b.mp4,run,"two\nc.mp4,run,"three"\nd.mp4,walk,x\n',
            "row in line 2 .*expected after",
        ),
        ("over two rows", 'b.mp4,run,"two\nc.mp4,run,x\nd.mp4,run,y"\n', "line 2 .* takes in line 3"),
        ("in the first cell", '"b.mp4,run,two\nc.mp4,run,x\n', "row in line 2 "),
        ("beyond the limit of a cell", 'b.mp4,run,"two\n' + "c.mp4,run,x\n" * 20_000, "row in line 2 .*does not end"),
        ("characters behind a quote", 'b.mp4,run,"two" and\n', "row in line 2 .*expected after"),
    )
    def test_a_quote_that_does_not_end_is_refused_with_its_line(self, rows, message):
        with self.assertRaisesRegex(UserError, f"{message}.*: close every quoted cell"):
            self.read(f"path,label,title\n{rows}")

    def test_quoted_cells_may_hold_lines_quotes_and_separators(self):
        rows = [
            ["a.mp4", "walk", 'the "best", of\nthem, all, ever'],
            ["b, c.mp4", "run", '5" disk'],
            ["d.mp4", "run", ""],
        ]
        with io.StringIO(newline="") as written:
            csv.writer(written).writerows([["path", "label", "title"], *rows])
            text = written.getvalue()
        self.assertEqual([list(row.values()) for row in self.read(text)], rows)
        self.assertEqual(self.read('path,title\na.mp4,5" disk\n')[0]["title"], '5" disk')

    @parameterized.named_parameters(
        ("blanks", "path, label , title\na.mp4, walk, one\nb.mp4,run,\n"),
        ("quotes behind blanks", '"path", "label", "title"\n"a.mp4", "walk", "one"\n"b.mp4", "run", ""\n'),
        ("semicolons", "path;label;title\na.mp4;walk;one\nb.mp4;run;\n"),
        ("tabs", "path\tlabel\ttitle\na.mp4\twalk\tone\nb.mp4\trun\t\n"),
        ("carriage returns", "path,label,title\r\na.mp4,walk,one\r\nb.mp4,run\r\n"),
        ("old line ends", "path,label,title\ra.mp4,walk,one\rb.mp4,run,\r"),
        ("blank lines", "\npath,label,title\n\na.mp4,walk,one\n  \nb.mp4,run,\n,,\n"),
        ("byte order mark", "\ufeffpath,label,title\na.mp4,walk,one\nb.mp4,run\n"),
        ("empty cells too many", "path,label,title,\na.mp4,walk,one,,\nb.mp4,run\n"),
    )
    def test_reads_alike_whatever_separates_the_cells(self, text):
        self.assertEqual(
            [{name: cell for name, cell in row.items() if name} for row in self.read(text)],
            [{"path": "a.mp4", "label": "walk", "title": "one"}, {"path": "b.mp4", "label": "run", "title": ""}],
        )

    def test_a_cell_with_another_separator_does_not_decide(self):
        (row,) = self.read("path;title\na.mp4;one, two\tthree\n")
        self.assertEqual(row, {"path": "a.mp4", "title": "one, two\tthree"})

    def test_a_row_with_more_cells_than_columns_is_refused_with_its_line(self):
        with self.assertRaisesRegex(UserError, "line 3 of .* has 4 cells, its header 3: quote the cells"):
            self.read("path,label,title\na.mp4,walk,one\nb.mp4,run,two, three\n")
