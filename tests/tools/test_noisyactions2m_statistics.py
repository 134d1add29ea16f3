"""Table 2 and figures 1, 2 and 4 against counting video by video in plain Python."""

import collections
import math
import pathlib
import re

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized
from PIL import Image

from spl_tf.errors import UserError
from tests.commands import run_command
from tests.tools import noisyactions2m_table as made
from tests.written import csv_rows
from tools.noisyactions2m import entity_counts, lists, statistics, statistics_page
from tools.noisyactions2m.video_names import VideoNames

_OSLO, _PARIS, _SEA = (59.91, 10.75), (48.86, 2.35), (30.0, -40.0)


def random_rows(number, seed=0):
    """Videos of which each field is absent from some."""
    rng = np.random.default_rng(seed)
    rows = []
    for place in range(number):
        fields = {}
        if rng.random() < 0.8:
            fields["duration"] = float(rng.choice([5.5, 59.99, 60.0, 90.0, 120.0, 120.01, 300.0]))
        for name in ("tags", "comments"):
            fields[name] = [f"{name} {index}" for index in range(rng.integers(0, 5))]
        fields["concepts"] = [name for name in ("run", "box", "sit", "jump") if rng.random() < 0.4]
        if rng.random() < 0.6:
            choices = [_OSLO, _PARIS, _PARIS, _SEA]
            fields["latitude"], fields["longitude"] = choices[rng.integers(len(choices))]
        rows.append(made.row(f"flickr/{1000 + place}", **fields))
    return rows


def mean(numbers):
    return sum(numbers) / len(numbers) if numbers else None


class StatisticsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def run_on(self, rows, *arguments):
        """Runs the command on a table of the rows: statistic -> its row of the table."""
        made.write(self.folder / "m.parquet", rows, rows_per_group=7)
        given = (f"--metadata={self.folder}/m.parquet", f"--output={self.folder}/out")
        code, self.out, err = run_command(statistics, *given, *arguments)
        self.assertEqual(code, 0, err)
        return {row["statistic"]: row for row in csv_rows(self.folder / "out/statistics.csv")}

    def not_counted(self):
        return [tuple(row.values()) for row in csv_rows(self.folder / "out/not_counted.csv")]

    def assert_value(self, row, value, over_all=None):
        for cell, expected in ((row["value"], value), (row["over_all_videos"], over_all)):
            if expected is None:
                self.assertEqual(cell, "")
            else:
                self.assertAlmostEqual(float(cell), expected, delta=1e-4)

    @parameterized.parameters(60, 1)
    def test_every_row_against_counting_by_hand(self, number):
        rows = random_rows(number)
        table = self.run_on(rows)
        places = [(row["latitude"], row["longitude"]) for row in rows if row["latitude"] is not None]
        on_land = [place for place in places if place != _SEA]
        seconds = [row["duration"] for row in rows if row["duration"] is not None]
        self.assert_value(table["Total number of Countries"], len(set(on_land)))
        if on_land:
            found = table["Average # videos per Country"]
            self.assert_value(found, len(on_land) / len(set(on_land)), number / len(set(on_land)))
        self.assert_value(table["# videos with duration < 60s"], sum(value < 60 for value in seconds))
        self.assert_value(table["# videos between 60-120s"], sum(60 <= value <= 120 for value in seconds))
        self.assert_value(table["Average Duration"], mean(seconds), sum(seconds) / number if seconds else None)
        for name, statistic in (("concepts", "labels"), ("tags", "tags"), ("comments", "comments")):
            lengths = [len(row[name]) for row in rows if row[name]]
            average = next(row for key, row in table.items() if key.startswith(f"Average # {statistic}"))
            self.assert_value(average, mean(lengths), sum(lengths) / number if lengths else None)
            if name != "concepts":
                self.assert_value(table[f"Total # videos with {name}"], len(lengths))
        self.assert_value(table["Average # Entities per video"], None)
        self.assertLen(table, 11)
        self.assertIn(f"{number} videos", self.out)

    def test_the_paper_s_values_stand_beside(self):
        table = self.run_on(random_rows(3))
        paper = [row["paper"] for row in table.values()]
        self.assertEqual(paper, ["212", "980", "4", "123", "1723439", "423512", "6", "968586", "12", "230269", "5"])

    def test_tables_of_figures_against_counting_by_hand(self):
        rows = random_rows(60)
        self.run_on(rows)
        per_class = collections.Counter(name for row in rows for name in row["concepts"])
        found = csv_rows(self.folder / "out/videos_per_class.csv")
        self.assertEqual({row["class"]: int(row["videos"]) for row in found}, dict(per_class))
        self.assertEqual([int(row["videos"]) for row in found], sorted(per_class.values(), reverse=True))
        per_video = collections.Counter(len(row["concepts"]) for row in rows)
        found = csv_rows(self.folder / "out/labels_per_video.csv")
        self.assertEqual({int(row["labels"]): int(row["videos"]) for row in found}, dict(per_video))
        located = collections.Counter((row["latitude"], row["longitude"]) for row in rows)
        found = {row["country"]: int(row["videos"]) for row in csv_rows(self.folder / "out/countries.csv")}
        self.assertEqual(found, {"France": located[_PARIS], "Norway": located[_OSLO]})
        self.assertLen(self.not_counted(), located[_SEA])
        for name in ("labels_and_videos.png", "countries.png"):
            self.assertGreater(np.asarray(Image.open(self.folder / "out" / name)).std(), 5)

    def page(self):
        """Statistics.md as its sections: title -> rows of its tables, each a list of cells."""
        found = collections.defaultdict(list)
        title = ""
        for line in (self.folder / "out/statistics.md").read_text(encoding="utf-8").splitlines():
            title = line if line.startswith("#") else title
            if line.startswith("|") and not line.startswith("|:"):
                found[title].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        return found

    def test_the_page_has_all_rows_of_the_figures_too(self):
        rows = random_rows(60)
        rows[0]["concepts"] = ["run", "a|b"]
        (self.folder / "s.csv").write_text("video,attribute,entity,score\n1001,title,Games,0.9\n1002,title,Games,0.1\n")
        self.run_on(rows, f"--entities={self.folder}/s.csv")
        page = self.page()
        per_class = collections.Counter(name for row in rows for name in row["concepts"])
        per_video = collections.Counter(len(row["concepts"]) for row in rows)
        for name, count in per_class.items():
            self.assertIn([name.replace("|", "\\|"), str(count)], page["## Figure 1: classes and labels"])
        for labels, count in per_video.items():
            self.assertIn([str(labels), str(count)], page["## Figure 1: classes and labels"])
        self.assertEqual(page["## Figure 2: entities"][1:], [["Games", "1", "50.0%"]])
        located = collections.Counter((row["latitude"], row["longitude"]) for row in rows)
        expected = [["France", "FR", str(located[_PARIS])], ["Norway", "NO", str(located[_OSLO])]]
        self.assertCountEqual(page["## Figure 4: countries"][1:], expected)
        text = (self.folder / "out/statistics.md").read_text(encoding="utf-8")
        for name in ("labels_and_videos.png", "entities.png", "countries.png"):
            self.assertIn(f"]({name})", text)

    def test_ranges_that_double_hold_every_class_once(self):
        sizes = np.random.default_rng(0).integers(0, 3000, 500).tolist()
        ranges = statistics_page.doubling(sizes)
        self.assertEqual(ranges[0][0], 1)
        self.assertEqual([high + 1 for _, high, _ in ranges[:-1]], [low for low, _, _ in ranges[1:]])
        for low, high, count in ranges:
            self.assertEqual(count, sum(low <= size <= high for size in sizes))
        self.assertEqual(sum(count for _, _, count in ranges), sum(size > 0 for size in sizes))

    def test_a_table_without_rows_has_empty_averages_and_no_figure(self):
        self.run_on(random_rows(20))
        self.assertTrue((self.folder / "out/countries.png").exists())
        table = self.run_on([])
        for name, row in table.items():
            self.assert_value(row, None if name.startswith("Average") else 0)
        self.assertEmpty(list((self.folder / "out").glob("*.png")))
        self.assertIn("nothing: see not_counted.csv", self.out)
        text = (self.folder / "out/statistics.md").read_text(encoding="utf-8")
        self.assertIn("# 0 videos", text)
        self.assertNotIn("![", text)

    def test_what_cannot_be_counted_is_listed_with_its_reason(self):
        rows = [
            made.row("flickr/a", duration=math.nan, latitude=91.0, longitude=0.0),
            made.row("flickr/b", duration=-1.0, latitude=1.0),
            made.row("flickr/c", duration=10.0, latitude=math.nan, longitude=math.nan),
            made.row("flickr/d", latitude=0.0, longitude=0.0),
        ]
        table = self.run_on(rows)
        self.assert_value(table["Average Duration"], 10, 2.5)
        expected = [("flickr/a", "duration is no length of time"), ("flickr/b", "duration is no length of time")]
        expected += [(f"flickr/{name}", "coordinates are no place") for name in "abc"]
        self.assertCountEqual(self.not_counted(), [*expected, ("flickr/d", "coordinates are in no country")])

    def test_labels_of_a_list_take_the_place_of_the_concepts(self):
        lists.write_classes(self.folder / "c.txt", {1: "x", 2: "y", 3: "z"})
        (self.folder / "l.txt").write_text("1000 1|2\nflickr/1001 2\n77 2\n1002 9\n", encoding="utf-8")
        arguments = (f"--classes={self.folder}/c.txt", f"--labels={self.folder}/l.txt")
        table = self.run_on(random_rows(4), *arguments)
        self.assert_value(table["Average # labels per Video"], 1.5, 0.75)
        found = [tuple(row.values()) for row in csv_rows(self.folder / "out/videos_per_class.csv")]
        self.assertEqual(found, [("y", "2"), ("x", "1"), ("z", "0")])
        self.assertIn(("77", "listed, but not in the metadata"), self.not_counted())
        self.assertIn("unknown class 1", self.out)

    def test_mistakes_are_named(self):
        made.write(self.folder / "m.parquet", random_rows(1))
        given = (f"--metadata={self.folder}/m.parquet", f"--output={self.folder}/out")
        for arguments, message in (
            ((f"--labels={self.folder}/l.txt",), "--classes and --labels go together"),
            ((f"--entities={self.folder}/none.csv",), "does not exist"),
            ((f"--entities={self.folder}",), "no CSV or Parquet file with the columns"),
        ):
            code, _, err = run_command(statistics, *given, *arguments)
            self.assertEqual(code, 2)
            self.assertIn(message, err)


class EntityCountsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        keys = [f"flickr/{100 + place}" for place in range(30)] + ["other/100"]
        made.write(self.folder / "m.parquet", [made.row(key) for key in keys])
        self.names = VideoNames(self.folder / "m.parquet")

    def random_scores(self):
        rng = np.random.default_rng(3)
        return [
            {"video": f"flickr/{100 + video}", "attribute": attribute, "entity": entity, "score": rng.random()}
            for video in range(1, 20)
            for attribute in ("title", "concepts")
            for entity in ("Games", "Sports", "Food, Drink")
            if rng.random() < 0.8
        ]

    def write(self, kind, rows):
        columns = {name: [row[name] for row in rows] for name in entity_counts.SCHEMA.names}
        if kind == "csv":
            columns["video"] = [video.removeprefix("flickr/") for video in columns["video"]]
            path = self.folder / "s.csv"
            pa.csv.write_csv(pa.table(columns), path)
        elif kind == "parquet":
            path = self.folder / "s.parquet"
            pq.write_table(pa.table(columns), path)
        else:
            path = self.folder / "scores"
            path.mkdir()
            for start in range(0, len(rows), 25):
                pq.write_table(pa.table(columns).slice(start, 25), path / f"part-{start:05}.parquet")
            (path / ".host.1.tmp.part-00025.parquet").write_bytes(b"PAR1")  # Of a killed run.
        return path

    @parameterized.product(kind=["csv", "parquet", "folder"], threshold=[0.0, 0.5, 0.9])
    def test_entities_against_counting_by_hand(self, kind, threshold):
        rows = self.random_scores()
        counts = entity_counts.count(self.write(kind, rows), self.names, threshold)
        videos = collections.defaultdict(set)
        for row in rows:
            if row["score"] >= threshold:
                videos[row["entity"]].add(row["video"])
        self.assertEqual(counts.per_entity, {name: len(videos[name]) for name in ("Games", "Sports", "Food, Drink")})
        self.assertEqual(list(counts.per_entity.values()), sorted(counts.per_entity.values(), reverse=True))
        per_video = collections.Counter(video for found in videos.values() for video in found)
        self.assertEqual(counts.per_video.tolist(), [per_video[key] for key in self.names.keys.to_pylist()])
        scored = {row["video"] for row in rows}
        self.assertEqual(counts.scored.tolist(), [key in scored for key in self.names.keys.to_pylist()])
        self.assertEqual(counts.attributes, dict(collections.Counter(row["attribute"] for row in rows)))
        self.assertEmpty(counts.not_counted)

    def test_rows_that_cannot_be_counted_are_listed(self):
        text = "score,video,attribute,entity\n0.9,101,title,Games\n0.9,100,title,Games\n1.5,102,title,Games\n"
        (self.folder / "s.csv").write_text(text + ",103,title,Games\n0.9,none,title,Games\n", encoding="utf-8")
        counts = entity_counts.count(self.folder / "s.csv", self.names, 0.5)
        self.assertEqual(counts.per_entity, {"Games": 1})
        no_video, no_score = "no video of the metadata", "no entity or score"
        expected = [("100", no_video), ("none", no_video), ("102", no_score), ("103", no_score)]  # 100 is two videos.
        self.assertCountEqual(counts.not_counted, expected)

    @parameterized.parameters("video,entity,score\na,b,0.5\n", "", "video,attribute,entity,score\na,b,c,high\n")
    def test_a_file_that_is_no_table_of_scores_is_refused(self, text):
        (self.folder / "s.csv").write_text(text, encoding="utf-8")
        with self.assertRaisesRegex(UserError, "no CSV or Parquet file with the columns video,attribute,entity,score"):
            entity_counts.count(self.folder / "s.csv", self.names, 0.5)

    def test_a_damaged_parquet_file_is_refused(self):
        path = self.write("parquet", self.random_scores())
        content = bytearray(path.read_bytes())
        content[-60:-20] = bytes(40)
        path.write_bytes(content)
        with self.assertRaisesRegex(UserError, "no CSV or Parquet file with the columns"):
            entity_counts.count(path, self.names, 0.5)


if __name__ == "__main__":
    tf.test.main()
