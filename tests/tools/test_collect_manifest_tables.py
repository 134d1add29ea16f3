"""Search results, as CSV files, become a manifest that spl_tf.shard reads."""

import pathlib

import tensorflow as tf

from spl_tf.labels.classes import read_classes
from tests.tools.collect_manifest_case import QUERIES, ManifestCase
from tests.written import csv_rows

# Optional local data: six classes of UCF101 laid out as the paper's problem.
_UCF6 = pathlib.Path(__file__).parents[2].parent / "shared/data/ucf6"


class ManifestTablesTest(ManifestCase):
    def test_tables_with_semicolons_are_read_and_a_quote_that_does_not_end_is_named(self):
        self.write("found/one.mp4", "video")
        self.write("queries.csv", QUERIES.replace(",", ";"))
        self.write("found/r.csv", "text;path\nyoga;one.mp4\n")
        self.execute(results=("found/r.csv",))
        self.assertEqual([row["language"] for row in csv_rows(self.folder / "web.csv")], ["en|fr"])
        self.write("found/r.csv", 'text,path,title\nyoga,one.mp4,"x\nyoga,two.mp4,y\n')
        code, _, err = self.execute(results=("found/r.csv",))
        self.assertEqual(code, 2)
        self.assertIn("the row in line 2 of", err)

    def test_csv_of_results_is_joined_by_text(self):
        self.write("v/one.mp4", "video")
        self.write("v/two.avi", "video")
        self.write(
            "r.csv",
            "text,rank,address,path\n"
            "Playing  piano,4,https://youtu.be/ID4?t=3,v/one.mp4\n"
            "yoga,5.0,https://www.youtube.com/watch?list=x&v=ID5,v/two.avi\n"
            "yoga,6,https://www.youtube.com/shorts/ID6,v/none.mp4\n"
            "yoga,7,,v/two.avi\n",
        )
        self.execute(results=["r.csv"])
        self.assertEqual(
            self.rows("video_id", "path", "query", "language", "rank"),
            [
                ("ID4", "v/one.mp4", "PlayingPiano", "en", "4"),
                ("ID5", "v/two.avi", "Yoga", "en|fr", "5"),
                ("two", "v/two.avi", "Yoga", "en|fr", "7"),
            ],
        )
        self.assertEqual(self.reasons(), {"ID6": "not downloaded"})

    def test_csv_may_name_the_class_or_the_text_as_query(self):
        self.write("a.mp4", "video")
        lines = [
            "query,language,video_id,path",
            "Yoga,pt,1,a.mp4",
            "jouer du piano,,2,a.mp4",
            "yoga,fr,3,a.mp4",
            "Cats,,4,a.mp4",
        ]
        self.write("r.csv", "\n".join(lines))
        self.execute(results=["r.csv"])
        self.assertCountEqual(
            self.rows("video_id", "query", "language"),
            [("1", "Yoga", "pt"), ("2", "PlayingPiano", "fr"), ("3", "Yoga", "fr")],
        )
        self.assertEqual(self.reasons(), {"4": "unknown query ('Cats')"})

    def test_ucf6_comes_out_as_it_is(self):
        if not _UCF6.exists():
            self.skipTest(f"no ucf6 in {_UCF6}")
        classes = read_classes(_UCF6 / "classes.txt")
        self.write("queries.csv", "query,language,text\n" + "".join(f"{name},en,{name}\n" for name in classes))
        self.assertEqual(self.execute(f"--results={_UCF6}/web.csv", results=[])[0], 0)
        columns = ("video_id", "query", "language", "rank", "address")
        listed = [tuple(row[column] for column in columns) for row in csv_rows(_UCF6 / "web.csv")]
        self.assertCountEqual(self.rows(*columns), listed)
        self.assertTrue(all((self.folder / path).is_file() for (path,) in self.rows("path")))
        self.assertEmpty(self.reasons())


if __name__ == "__main__":
    tf.test.main()
