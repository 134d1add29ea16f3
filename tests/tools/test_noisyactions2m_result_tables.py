"""Search results as spreadsheets give them: each row is a record, or has a line and a reason."""

import tensorflow as tf
from absl.testing import parameterized

from tests.tools.noisyactions2m_results import ResultFilesCase
from tools.noisyactions2m.result_files import Options


class ResultTablesTest(ResultFilesCase):
    def test_table_with_named_and_with_given_columns(self):
        content = (
            'Nr,Video Id,Title,Category,Tags\n1,abc,"A ""quoted"", title",travel,x|y\n\n2,def,t,food\n3,,t,food,\n'
        )
        options = Options("youtube", {"query": "Category"})
        found = self.read("r.csv", content.encode(), options)
        self.assertEqual([r.line for r in found], [2, 4, 5])
        self.assertEqual([r.record and r.record.key for r in found], ["youtube/abc", "youtube/def", None])
        self.assertEqual(found[0].record.title, 'A "quoted", title')
        self.assertEqual(found[0].record.tags, ["x", "y"])
        self.assertEqual(found[1].record.queries, [("food", None)])
        first, *_ = self.read("r.csv", content.encode(), Options("youtube", {"query": "Kind"}))
        self.assertEqual((first.line, first.record, first.reasons), (1, None, ["no column 'Kind' (--csv_columns)"]))

    @parameterized.parameters("\n", "\r\n", "\r")
    def test_lines_of_a_table_end_as_on_any_system(self, end):
        lines = ["id,title,query", '1,"two', 'lines",q', "2,caf\u00e9,q", ""]
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "latin-1"):
            found = self.read("r.csv", end.join(lines).encode(encoding), Options("x"))
            self.assertEqual([(r.line, r.record.title) for r in found], [(2, "two lines"), (4, "caf\u00e9")])

    def test_a_damaged_row_costs_no_other_row(self):
        content = (
            "id,title,query\n"
            '1,"never closed,q\n'
            '2,"fine, though\nof two lines",q\n'
            '3,a 5" screen,q\n'
            '4,"5" screen",q\n'
            "5,too,many,cells\n"
            '6,"closed too late,q\n'
            '7,"x",q\n'
        )
        found = self.read("r.csv", content.encode(), Options("x"))
        kept = {r.record.id: r.record.title for r in found if r.record}
        self.assertEqual(kept["2"], "fine, though of two lines")
        self.assertEqual(kept["3"], 'a 5" screen')
        self.assertEqual(kept["7"], "x")
        self.assertEqual(
            set(kept) | {{2: "1", 6: "4", 7: "5", 8: "6"}[r.line] for r in found if not r.record}, set("1234567")
        )


if __name__ == "__main__":
    tf.test.main()
