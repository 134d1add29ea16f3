"""Id lists, Kinetics' CSV files and downloads become a manifest that spl_tf.shard reads."""

import collections
import os
import pathlib

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building.shards import write_shards
from spl_tf.data.duplicates.held_out import read_held_out
from spl_tf.data.manifest import Video, read_manifest
from spl_tf.data.record import clip_from_bytes
from spl_tf.labels.classes import read_classes
from tests.commands import last_line, run_command
from tests.written import csv_rows
from tools.kinetics200 import annotations, manifest

# Optional local data: the id lists and the Kinetics-400 validation CSV.
_KINETICS = pathlib.Path(__file__).parents[2].parent / "shared/data/kinetics"

_CSV = """label,youtube_id,time_start,time_end,split,is_cc
yoga,aaaaaaaaaaa,12,22,train,0
archery,-b_b_b_b_b-,0,10,train,0
"shooting goal (soccer)",ccccccccccc,100,110,train,0
"""


class KineticsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.videos = self.folder / "videos"
        self.videos.mkdir()
        self.write("ids.txt", "ccccccccccc\naaaaaaaaaaa\n-b_b_b_b_b-\n")
        self.write("k400.csv", _CSV)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def download(self, *names):
        for name in names:
            self.write(f"videos/{name}", "video")

    def execute(self, *arguments, **paths):
        """Runs the command: exit code, stdout, last line of stderr."""
        paths = {
            "ids": "ids.txt",
            "csv": "k400.csv",
            "videos": "videos",
            "output": "train.csv",
            "classes": "classes.txt",
            **paths,
        }
        argv = [f"--{name}={self.folder / path}" for name, path in paths.items()]
        code, out, err = run_command(manifest, *argv, *arguments)
        return code, out, last_line(err)

    def rows(self, *columns):
        return [tuple(row[column] for column in columns) for row in csv_rows(self.folder / "train.csv")]

    def reasons(self):
        return [(row["video_id"], row["reason"]) for row in csv_rows(self.folder / "train.missing.csv")]

    def test_whole_upload_gets_its_interval_and_a_cut_file_none(self):
        self.download("aaaaaaaaaaa.mp4", "archery/-b_b_b_b_b-_000000_000010.mp4")
        code, out, _ = self.execute()
        self.assertEqual(code, 0)
        site = "https://www.youtube.com/watch?v="
        self.assertEqual(
            self.rows(*manifest.COLUMNS),
            [
                ("aaaaaaaaaaa", "videos/aaaaaaaaaaa.mp4", "yoga", "12.0", "22.0", f"{site}aaaaaaaaaaa"),
                (
                    *("-b_b_b_b_b-", "videos/archery/-b_b_b_b_b-_000000_000010.mp4", "archery"),
                    *("", "", f"{site}-b_b_b_b_b-"),
                ),
            ],
        )
        self.assertEqual(self.reasons(), [("ccccccccccc", "not downloaded")])
        self.assertEqual((self.folder / "train.addresses.txt").read_text(), f"{site}ccccccccccc\n")
        self.assertIn("2 videos, 3 classes with 0 to 1 videos each", out)
        self.assertIn("1 entries gave none (not downloaded 1): see train.missing.csv", out)

    def test_rows_keep_the_order_of_the_id_list_and_classes_are_sorted(self):
        self.download("aaaaaaaaaaa.mp4", "-b_b_b_b_b-.mkv", "ccccccccccc.webm")
        self.execute()
        self.assertEqual(self.rows("video_id"), [("ccccccccccc",), ("aaaaaaaaaaa",), ("-b_b_b_b_b-",)])
        classes = read_classes(self.folder / "classes.txt")
        self.assertEqual(classes, ("archery", "shooting goal (soccer)", "yoga"))
        videos = read_manifest(self.folder / "train.csv", classes, "label")
        self.assertTrue(all(isinstance(video, Video) for video in videos))
        self.assertEqual(
            [(video.labels, video.interval) for video in videos],
            [((1,), (100.0, 110.0)), ((2,), (12.0, 22.0)), ((0,), (0.0, 10.0))],
        )

    @parameterized.parameters(
        (["aaaaaaaaaaa.mp4", "aaaaaaaaaaa_000012_000022.mp4"], "aaaaaaaaaaa_000012_000022.mp4"),
        (["aaaaaaaaaaa.mp4", "aaaaaaaaaaa_000050_000060.mp4"], "aaaaaaaaaaa.mp4"),
        (["aaaaaaaaaaa_000050_000060.mp4", "aaaaaaaaaaa_12_22.mp4"], "aaaaaaaaaaa_12_22.mp4"),
        (["aaaaaaaaaaa.f137.mp4", "aaaaaaaaaaa.webm", "aaaaaaaaaaa.mp4.part"], "aaaaaaaaaaa.webm"),
        (
            ["a/aaaaaaaaaaa.mp4", "replacement_for_corrupted_k400/aaaaaaaaaaa.mp4", "s/aaaaaaaaaaa.mp4"],
            "replacement_for_corrupted_k400/aaaaaaaaaaa.mp4",
        ),
    )
    def test_of_several_files_the_best_is_taken(self, names, expected):
        self.download(*names)
        self.execute()
        self.assertEqual(self.rows("path"), [(f"videos/{expected}",)])

    def test_a_download_named_by_title_and_id_is_a_whole_upload(self):
        self.download("A title [aaaaaaaaaaa].webm")
        self.execute()
        self.assertEqual(self.rows("path", "start"), [("videos/A title [aaaaaaaaaaa].webm", "12.0")])

    def test_file_cut_to_another_interval_is_missing(self):
        self.download("aaaaaaaaaaa_000013_000023.mp4")
        self.execute()
        self.assertEmpty(self.rows("path"))
        self.assertIn(("aaaaaaaaaaa", "cut to another interval (aaaaaaaaaaa_000013_000023.mp4)"), self.reasons())

    def test_fraction_of_a_second_is_the_same_interval(self):
        self.write("k400.csv", "label,youtube_id,time_start,time_end\nyoga,aaaaaaaaaaa,12.6,22.6\n")
        self.download("aaaaaaaaaaa_000012_000022.mp4")
        self.execute()
        self.assertEqual(self.rows("start"), [("",)])

    def test_trimmed_files_may_be_called_by_the_id_alone(self):
        self.download("aaaaaaaaaaa.mp4")
        self.execute("--trimmed")
        self.assertEqual(self.rows("video_id", "start", "end"), [("aaaaaaaaaaa", "", "")])

    @parameterized.parameters(
        "Class label,YouTube Identifier,Start time,End time",
        "label-name,video-id,start-time,end-time",
        " LABEL , Youtube_ID , Time_Start , Time_End ",
    )
    def test_columns_may_be_spelled_otherwise(self, header):
        self.write("k400.csv", f"{header}\nyoga,aaaaaaaaaaa,12,22\n")
        self.download("aaaaaaaaaaa.mp4")
        self.assertEqual(self.execute()[0], 0)
        self.assertEqual(self.rows("label", "start", "end"), [("yoga", "12.0", "22.0")])

    def test_several_csv_files_are_joined(self):
        self.write("second.csv", "youtube_id,time_end,time_start,label\nddddddddddd,9,1,archery\n")
        self.write("ids.txt", "ddddddddddd\naaaaaaaaaaa\n")
        self.download("aaaaaaaaaaa.mp4", "ddddddddddd.mp4")
        self.execute(f"--csv={self.folder}/second.csv")
        self.assertEqual(self.rows("label", "start"), [("archery", "1.0"), ("yoga", "12.0")])

    def test_damage_is_listed_and_counted_and_stops_nothing(self):
        self.write("ids.txt", "aaaaaaaaaaa\nshort\n\naaaaaaaaaaa\nnowhere____\nnolabel____\nnotime_____\nbackwards__\n")
        damaged = ",nolabel____,1,2\nyoga,notime_____,,\nyoga,backwards__,7,3\nyoga,#NAME?,1,2\nyoga,stranger___,x,y\n"
        repeated = "yoga,aaaaaaaaaaa,12,22\narchery,aaaaaaaaaaa,12,22\n"
        self.write("k400.csv", f"label,youtube_id,time_start,time_end\nyoga,aaaaaaaaaaa,12,22\n{damaged}{repeated}")
        self.download("aaaaaaaaaaa.mp4")
        code, out, _ = self.execute()
        self.assertEqual(code, 0)
        self.assertEqual(self.rows("video_id", "label"), [("aaaaaaaaaaa", "yoga")])
        first = f"{self.folder}/k400.csv row 1"
        self.assertCountEqual(
            self.reasons(),
            [
                ("short", "damaged id (not 11 letters, digits, _ or -)"),
                ("aaaaaaaaaaa", "repeated id (see line 1)"),
                ("nowhere____", "in no CSV file"),
                ("nolabel____", "damaged row (no label)"),
                ("notime_____", "damaged row (from '' to '')"),
                ("backwards__", "damaged row (from '7' to '3')"),
                ("#NAME?", "damaged row (id '#NAME?')"),
                ("aaaaaaaaaaa", f"repeated row (see {first})"),
                ("aaaaaaaaaaa", f"contradicting row (see {first})"),
            ],
        )
        self.assertIn("9 entries gave none (damaged row 4, ", out)

    def test_missing_test_videos_are_held_out_by_address(self):
        self.execute()
        held_out = read_held_out([self.folder / "train.missing.csv"])
        self.assertLen(held_out.addresses, 3)
        self.assertIn("youtube.com/watch?v=-b_b_b_b_b-", held_out.addresses)

    def test_classes_file_that_is_there_stays(self):
        self.write("classes.txt", "yoga\nzumba\narchery\nshooting goal (soccer)\n")
        self.assertEqual(self.execute()[0], 0)
        self.assertEqual(read_classes(self.folder / "classes.txt")[:2], ("yoga", "zumba"))

    def test_folder_name_that_is_not_utf8_is_set_aside(self):
        place = os.fsencode(self.videos) + b"/\xff"
        os.mkdir(place)
        with open(place + b"/aaaaaaaaaaa.mp4", "wb"):
            pass
        self.assertEqual(self.execute()[0], 0)
        self.assertIn(("aaaaaaaaaaa", "unusable file name"), self.reasons())

    def test_paths_hold_through_linked_folders(self):
        self.write("deep/videos/aaaaaaaaaaa.mp4", "video")
        (self.folder / "deep/er").mkdir()
        (self.folder / "link").symlink_to(self.folder / "deep/er")
        self.execute(output="link/train.csv", videos="link/../videos")
        listed = csv_rows(self.folder / "link/train.csv")[0]["path"]
        self.assertTrue((self.folder / "link" / listed).is_file())

    @parameterized.parameters(
        ({"ids": "nowhere.txt"}, "nowhere.txt is no file: check --ids"),
        ({"ids": "k400.csv"}, "k400.csv has no YouTube ids"),
        ({"csv": "ids.txt"}, "ids.txt has no column 'youtube_id'"),
        ({"csv": "header.csv"}, "header.csv has no rows"),
        ({"csv": "other.csv"}, "none of the 3 ids of .*ids.txt is in .*other.csv: check --csv"),
        ({"videos": "nowhere"}, "nowhere is no folder: check --videos"),
        ({"classes": "few.txt"}, "few.txt has no class 'shooting goal \\(soccer\\)'"),
        ({"classes": "train.csv"}, "train.csv would be read and written over"),
        ({"output": "k400.csv"}, "k400.csv would be read and written over"),
        ({"output": "train.jsonl"}, "does not end in .csv"),
    )
    def test_mistake_is_one_line(self, paths, message):
        self.write("header.csv", "label,youtube_id,time_start,time_end\n")
        self.write("other.csv", "label,youtube_id,time_start,time_end\nyoga,eeeeeeeeeee,1,2\n")
        self.write("few.txt", "yoga\narchery\n")
        code, _, err = self.execute(**paths)
        self.assertEqual(code, 2)
        self.assertRegex(err, message)
        self.assertFalse((self.folder / "train.csv").exists())

    def test_shards_hold_the_interval_of_whole_uploads_and_all_of_cut_files(self):
        # Frame k of the file is as bright as 8 k, ten frames a second.
        for name, num_frames in (("aaaaaaaaaaa.avi", 30), ("-b_b_b_b_b-_000001_000002.avi", 12)):
            writer = cv2.VideoWriter(str(self.videos / name), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 32))
            for number in range(num_frames):
                writer.write(np.full((32, 32, 3), 8 * number, np.uint8))
            writer.release()
        self.write(
            "k400.csv",
            "label,youtube_id,time_start,time_end\nyoga,aaaaaaaaaaa,1,2\narchery,-b_b_b_b_b-,1,2\n",
        )
        self.execute()
        dataset = write_shards(
            self.folder / "train.csv",
            self.folder / "D",
            classes=read_classes(self.folder / "classes.txt"),
            clip_seconds=0,
            fps=10,
            short_side=32,
            num_shards=1,
            keep_duplicates=True,
            workers=1,
        )
        brightness = {}
        for record in tf.data.TFRecordDataset(dataset.shards[0].path).as_numpy_iterator():
            clip = clip_from_bytes(record)
            pictures = [cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_GRAYSCALE) for frame in clip.frames]
            brightness[clip.video_id] = [picture.mean() for picture in pictures]
        self.assertCountEqual(brightness, ["aaaaaaaaaaa", "-b_b_b_b_b-"])
        self.assertAllClose(brightness["aaaaaaaaaaa"], 8.0 * np.arange(10, 20), atol=3)
        self.assertAllClose(brightness["-b_b_b_b_b-"], 8.0 * np.arange(12), atol=3)

    def test_published_lists_have_the_published_sizes(self):
        self.require_lists()
        for name, size in (("train", 80_000), ("val", 5_000)):
            ids, problems = annotations.read_ids(_KINETICS / f"{name}_ytid_list.txt")
            self.assertLen(set(ids), size)
            self.assertEmpty(problems)

    def test_published_validation_list_is_200_classes_of_25(self):
        self.require_lists()
        code, out, _ = self.execute(ids=_KINETICS / "val_ytid_list.txt", csv=_KINETICS / "kinetics-400_val.csv")
        self.assertEqual(code, 0)
        listed = csv_rows(self.folder / "train.missing.csv")
        per_class = collections.Counter(row["label"] for row in listed if row["reason"] == "not downloaded")
        self.assertEqual(set(per_class.values()), {25})
        self.assertEqual(read_classes(self.folder / "classes.txt"), tuple(sorted(per_class)))
        self.assertLen(per_class, 200)
        self.assertIn("(not downloaded 5,000)", out)

    def require_lists(self):
        if not _KINETICS.exists():
            self.skipTest(f"no Kinetics lists in {_KINETICS}")


if __name__ == "__main__":
    tf.test.main()
