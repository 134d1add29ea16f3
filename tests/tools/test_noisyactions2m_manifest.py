"""Lists, table of metadata and files become a manifest for spl_tf.shard, and its clips lead back to the table."""

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import inspect, shard
from spl_tf.data.building.shards import write_shards
from spl_tf.data.manifest import Video, read_manifest
from spl_tf.data.record import clip_from_bytes
from spl_tf.data.video.writing import write_video
from spl_tf.labels.classes import read_classes
from tests.commands import run_command
from tests.written import csv_rows
from tools.noisyactions2m import manifest, table

# Optional local data: nine noisy tags a video.
_UCF6 = pathlib.Path(__file__).parents[2].parent / "shared/data/ucf6"

_CLASSES = "1 yoga\n2 Playing piano\n3 nobody's\n4 sea\n"
_LABELS = "11 1|2\n12 4\n13 2|1|4\n14 2\n15 4|9\n"


def _row(site, name, **fields):
    row = dict.fromkeys(table.SCHEMA.names) | {"key": f"{site}/{name}", "site": site, "id": name}
    return row | {"tags": [], "comments": [], "sentences": [], "concepts": [], "addresses": [], "queries": []} | fields


class ManifestTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.videos = self.folder / "videos"
        self.videos.mkdir()
        self.output = self.folder / "out" / "web.csv"
        self.output.parent.mkdir()
        self.write("classInd.txt", _CLASSES)
        self.write("list.txt", _LABELS)
        self.write_table(
            _row(
                "flickr",
                "11",
                title="By the\nsea",
                duration=61.5,
                addresses=[
                    {"size": "m", "url": "https://live.staticflickr.com/video/11/a/360p.mp4"},
                    {"size": "page", "url": "https://www.flickr.com/photos/x/11"},
                ],
                queries=[{"query": "do yoga", "rank": 7}, {"query": "play|piano", "rank": 3}],
            ),
            _row("flickr", "12", addresses=[{"size": "o", "url": "https://live.staticflickr.com/video/12/a/o.mp4"}]),
            _row("flickr", "14", addresses=[{"size": "page", "url": "https://www.flickr.com/photos/x/14"}]),
            _row("flickr", "99"),
        )
        for name in ("11.mp4", "sub/A title [13].webm", "99.mp4", "14.mp4.part"):
            (self.videos / name).parent.mkdir(exist_ok=True)
            (self.videos / name).write_bytes(b"x")

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def write_table(self, *rows):
        content = pa.Table.from_pylist(sorted(rows, key=lambda row: row["key"]), schema=table.SCHEMA)
        pq.write_table(content, self.folder / "metadata.parquet", compression="zstd")

    def run_command(self, *arguments, lists=True):
        """Exit code and what was printed, to the user or as an error."""
        given = [f"--labels={self.folder}/list.txt", f"--classes={self.folder}/classInd.txt"] if lists else []
        code, out, err = run_command(manifest, *given, f"--output={self.output}", *arguments)
        return code, out + err

    def make(self, *arguments, lists=True):
        """(rows of web.csv by video_id, rows of web.missing.csv, printed text)."""
        code, printed = self.run_command(*arguments, lists=lists)
        self.assertEqual(code, 0, printed)
        rows = {row["video_id"]: row for row in csv_rows(self.output)}
        return rows, csv_rows(self.output.with_suffix(".missing.csv")), printed

    def states(self):
        return {path.name: path.read_bytes() for path in self.output.parent.iterdir()}

    def test_files_are_found_by_id_and_rows_carry_labels_and_metadata(self):
        rows, _, printed = self.make(f"--videos={self.videos}", f"--metadata={self.folder}/metadata.parquet")
        self.assertEqual(list(rows), ["11", "13"])
        self.assertEqual(
            rows["11"],
            {
                "video_id": "11",
                "path": "../videos/11.mp4",
                "query": "yoga|Playing piano",
                "queries": "do yoga|play piano",
                "rank": "3",
                "address": "https://www.flickr.com/photos/x/11",
                "key": "flickr/11",
                "title": "By the sea",
                "duration": "61.5",
            },
        )
        self.assertEqual((rows["13"]["path"], rows["13"]["key"]), ("../videos/sub/A title [13].webm", ""))
        self.assertIn("2 of 5 videos, 3 of 4 classes, 2.50 labels a video", printed)
        self.assertEqual(
            read_classes(self.output.with_suffix(".classes.txt")), ("yoga", "Playing piano", "nobody's", "sea")
        )

    def test_what_is_missing_is_listed_and_what_can_be_fetched_is_a_batch_file(self):
        _, missing, printed = self.make(f"--videos={self.videos}", f"--metadata={self.folder}/metadata.parquet")
        found = [(row["video_id"], row["key"], row["labels"], row["missing"]) for row in missing]
        self.assertEqual(
            found,
            [
                ("12", "flickr/12", "sea", "file"),
                ("13", "", "Playing piano|yoga|sea", "row of the table"),
                ("14", "flickr/14", "Playing piano", "file"),
                ("15", "", "sea", "file, row of the table"),
            ],
        )
        self.assertIn("missing 4 (file 2, row of the table 1, file, row of the table 1): see web.missing.csv", printed)
        addresses = "https://live.staticflickr.com/video/12/a/o.mp4\nhttps://www.flickr.com/photos/x/14\n"
        self.assertEqual(self.output.with_suffix(".addresses.txt").read_text(), addresses)
        self.assertIn("2 videos to download: see web.addresses.txt", printed)
        (fault,) = csv_rows(self.output.with_suffix(".faults.csv"))
        self.assertEqual((fault["line"], fault["kind"], fault["detail"]), ("5", "unknown class", "15 9"))

    def test_two_runs_are_equal_to_the_byte(self):
        arguments = (f"--videos={self.videos}", f"--metadata={self.folder}/metadata.parquet")
        self.make(*arguments)
        first = self.states()
        self.make(*arguments)
        self.assertEqual(self.states(), first)
        self.assertLen(first, 5)

    def test_an_id_of_two_sites_is_told_and_a_key_names_one_of_them(self):
        self.write_table(_row("flickr", "11", title="a"), _row("vimeo", "11", title="b"))
        arguments = (f"--videos={self.videos}", f"--metadata={self.folder}/metadata.parquet")
        rows, missing, _ = self.make(*arguments)
        self.assertEqual((rows["11"]["key"], missing[0]["missing"]), ("", "row of the table"))
        kinds = [row["kind"] for row in csv_rows(self.output.with_suffix(".faults.csv"))]
        self.assertIn("id of several rows: give keys", kinds)
        self.write("list.txt", "vimeo/11 1\n")
        rows, missing, _ = self.make(*arguments)
        self.assertEqual([(row["path"], row["title"]) for row in rows.values()], [("../videos/11.mp4", "b")])
        self.assertEmpty(missing)

    def test_tags_and_a_manifest_with_paths(self):
        self.write("tags.csv", "video_id,tags\nb,sea|yoga|yoga\na,funny\nc,\nb,x y\n")
        self.write(
            "files.csv", "path,video_id,rank,address,key\nvideos/11.mp4,b,9,B,k/b\nvideos/11.mp4,b,4,B,k/b\n,a,,A,k/a\n"
        )
        paths = (f"--tags={self.folder}/tags.csv", f"--paths={self.folder}/files.csv")
        rows, missing, _ = self.make(*paths, lists=False)
        self.assertEqual(list(rows), ["b"])
        expected = ("../videos/11.mp4", "sea|yoga|x y", "4", "k/b")
        self.assertEqual(tuple(rows["b"][name] for name in ("path", "query", "rank", "key")), expected)
        self.assertEqual([(row["video_id"], row["address"], row["missing"]) for row in missing], [("a", "A", "file")])
        self.assertEqual(read_classes(self.output.with_suffix(".classes.txt")), ("funny", "sea", "x y", "yoga"))
        faults = [(row["line"], row["kind"]) for row in csv_rows(self.output.with_suffix(".faults.csv"))]
        self.assertEqual(faults, [("3", "video without label"), ("4", "second row of a video, whose tags are added")])
        rows, _, _ = self.make(*paths, f"--classes={self.folder}/classInd.txt", lists=False)
        self.assertEqual(rows["b"]["query"], "sea|yoga")
        kinds = [row["kind"] for row in csv_rows(self.output.with_suffix(".faults.csv"))]
        self.assertEqual(kinds.count("unknown class"), 2)
        self.assertEqual(read_classes(self.output.with_suffix(".classes.txt"))[2], "nobody's")

    def test_names_that_differ_in_outer_spaces_are_one_class_and_told(self):
        self.write("classInd.txt", _CLASSES + "5  yoga \n")
        self.write("list.txt", "11 5|1\n")
        rows, _, _ = self.make(f"--videos={self.videos}")
        self.assertEqual(rows["11"]["query"], "yoga")
        (fault,) = csv_rows(self.output.with_suffix(".faults.csv"))
        self.assertEqual(fault["detail"], "' yoga ', also class 1")
        self.assertLen(read_classes(self.output.with_suffix(".classes.txt")), 4)

    @parameterized.parameters(
        ([], "--videos is missing"),
        (["--tags=tags.csv", "--videos=."], "--labels and --tags are two ways"),
        (["--videos=nowhere"], "nowhere is no folder: check --videos"),
        (["--videos=.", "--metadata=nowhere.parquet"], "nowhere.parquet"),
        (["--videos=.", "--paths=nowhere.csv"], "nowhere.csv is no file: check --paths"),
        (["--videos=.", "--output=web.txt"], "does not end in .csv"),
    )
    def test_a_mistake_is_one_line_and_exit_code_2(self, arguments, message):
        code, printed = self.run_command(*arguments)
        self.assertEqual((code, printed.count("\n")), (2, 1), printed)
        self.assertIn(message, printed)
        self.assertEmpty(self.states())

    def test_a_class_that_no_manifest_can_hold_is_refused(self):
        self.write("classInd.txt", "1 a|b\n")
        code, printed = self.run_command(f"--videos={self.videos}")
        self.assertEqual(code, 2)
        self.assertIn("the class 'a|b' has a '|' or a line break", printed)

    def test_a_clip_leads_back_to_its_row(self):
        self.write("list.txt", "11 1|2\n12 4\n")
        generator = np.random.default_rng(0)
        for name in ("11", "12"):
            write_video(self.videos / f"{name}.mp4", generator.integers(0, 256, (16, 32, 32, 3), np.uint8), 8)
        self.make(f"--videos={self.videos}", f"--metadata={self.folder}/metadata.parquet")
        classes = read_classes(self.output.with_suffix(".classes.txt"))
        shards = self.folder / "shards"
        options = {"label_column": "query", "clip_seconds": 1.0, "fps": 8, "short_side": 32, "workers": 1}
        dataset = write_shards(self.output, shards, classes=classes, **options)
        self.assertTrue(dataset.multi_label)
        rows = {
            row["key"]: row for batch in table.read_rows(self.folder / "metadata.parquet") for row in batch.to_pylist()
        }
        records = (record for shard in dataset.shards for record in tf.data.TFRecordDataset(shard.path))
        clips = [clip_from_bytes(record.numpy()) for record in records]
        self.assertLen(clips, 4)
        for clip in clips:
            self.assertEqual(rows[clip.key]["id"], clip.video_id)
            self.assertEqual(clip.label_texts, {"11": ["yoga", "Playing piano"], "12": ["sea"]}[clip.video_id])
            self.assertEqual(clip.queries, {"11": ["do yoga", "play piano"], "12": ["sea"]}[clip.video_id])

    def test_the_commands_lead_from_tags_to_sheets_and_from_a_drawn_clip_to_its_row(self):
        self.write("tags.csv", "video_id,tags\n11,sea|yoga\n12,sea\n")
        generator = np.random.default_rng(0)
        for name in ("11", "12"):
            write_video(self.videos / f"{name}.mp4", generator.integers(0, 256, (16, 32, 32, 3), np.uint8), 8)
        self.make(
            f"--tags={self.folder}/tags.csv",
            f"--videos={self.videos}",
            f"--metadata={self.folder}/metadata.parquet",
            lists=False,
        )
        shards, sheets = self.folder / "shards", self.folder / "sheets"
        given = (f"--manifest={self.output}", "--label_column=query", f"--output_dir={shards}", "--clip_seconds=1")
        classes = f"--classes={self.output.with_suffix('.classes.txt')}"
        code, _, err = run_command(shard, *given, classes, "--fps=8", "--short_side=32", "--workers=1")
        self.assertEqual(code, 0, err)
        rows_of = ("--only=yoga", "--only=sea")
        code, printed, err = run_command(inspect, f"--shards={shards}", f"--output_dir={sheets}", *rows_of)
        self.assertEqual(code, 0, err)
        self.assertIn("Labels per video, 2 videos: mean 1.50, median 1.5, 1 to 2", printed)
        batches = table.read_rows(self.folder / "metadata.parquet")
        rows = {row["key"]: row for batch in batches for row in batch.to_pylist()}
        drawn = csv_rows(sheets / "clips.csv")
        self.assertEqual([row["caption"] for row in drawn], ["yoga: 2 clips"] * 2 + ["sea: 4 clips"] * 4)
        for row in drawn:
            self.assertEqual(rows[row["key"]]["id"], row["clip_id"][:2])
            self.assertEqual(row["labels"], {"flickr/11": "sea|yoga", "flickr/12": "sea"}[row["key"]])

    def test_real_tags_of_ucf6(self):
        if not _UCF6.is_dir():
            self.skipTest(f"{_UCF6} is not there")
        rows, missing, _ = self.make(f"--tags={_UCF6}/web_tags.csv", f"--paths={_UCF6}/web.csv", lists=False)
        self.assertEmpty(missing)
        classes = read_classes(self.output.with_suffix(".classes.txt"))
        tagged = {row["video_id"]: row["tags"].split("|") for row in csv_rows(_UCF6 / "web_tags.csv")}
        self.assertEqual((len(rows), classes), (190, tuple(sorted({tag for tags in tagged.values() for tag in tags}))))
        for entry in read_manifest(self.output, classes, "query"):
            self.assertIsInstance(entry, Video)
            self.assertEqual(list(entry.label_texts), list(dict.fromkeys(tagged[entry.video_id])))


if __name__ == "__main__":
    tf.test.main()
