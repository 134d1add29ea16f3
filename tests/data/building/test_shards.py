"""Shards hold what their manifest lists, or say why not, whatever the number of workers."""

import csv

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building.shards import summary
from spl_tf.data.record import clip_from_bytes
from spl_tf.data.verify import verify
from spl_tf.errors import UserError
from spl_tf.files import locked
from tests.data.building.shards_case import CLASSES, ShardsCase, shard_bytes, write_video


def clips_of(dataset):
    return [
        clip_from_bytes(data)
        for shard in dataset.shards
        for data in tf.data.TFRecordDataset(shard.path).as_numpy_iterator()
    ]


class ShardsTest(ShardsCase):
    def test_shards_hold_every_window_whatever_the_number_of_workers(self):
        dataset = self.write()
        # Videos of 0.5, 0.9 and 1.3 s have 1, 2 and 3 windows of 0.4 s.
        self.assertEqual((dataset.num_clips, dataset.num_videos, len(dataset.shards)), (18, 9, 4))
        self.assertEqual(dataset.clips_per_class, dict.fromkeys(CLASSES, 6))
        clips = clips_of(dataset)
        expected = {f"v{number}@{400 * window}" for number in range(9) for window in range(1 + number % 3)}
        self.assertCountEqual([clip.clip_id for clip in clips], expected)
        self.assertEqual({(len(clip.frames), clip.height, clip.width) for clip in clips}, {(4, 24, 32)})
        records = [shard.records for shard in dataset.shards]
        self.assertEqual([shard.start for shard in dataset.shards], [sum(records[:n]) for n in range(4)])
        self.assertEqual(dataset.shards[0].name, "web-00000-of-00004")
        self.assertEmpty(verify(self.output).faults)
        self.assertEqual(
            (self.output / "rejected.csv").read_text().strip(), "path,video_id,label,reason,partner,distance"
        )

        self.write(self.folder / "E", workers=3)
        self.assertEqual(shard_bytes(self.folder / "E"), shard_bytes(self.output))
        self.assertEqual((self.folder / "E/dataset.json").read_text(), (self.output / "dataset.json").read_text())

    def test_clips_carry_the_key_of_their_row_and_without_the_column_shards_are_as_before(self):
        plain = shard_bytes(self.write().folder)
        for name, key in (("none", lambda number: ""), ("some", lambda number: f"flickr/{number}" if number else "")):
            rows = [["path", "label", "key"], *([*row, key(number)] for number, row in enumerate(self.rows))]
            (self.folder / name).mkdir()
            with open(self.folder / name / "web.csv", "w", newline="") as opened:
                csv.writer(opened).writerows(
                    [[str(self.folder / row[0]), *row[1:]] if place else row for place, row in enumerate(rows)]
                )
            self.manifest = self.folder / name / "web.csv"
            dataset = self.write(self.folder / name / "D")
            self.assertEqual({clip.key for clip in clips_of(dataset)}, {key(number) for number in range(9)})
            for clip in clips_of(dataset):
                self.assertEqual(clip.key, key(int(clip.video_id[1:])))
            self.assertEqual(shard_bytes(dataset.folder) == plain, name == "none")
            self.assertEmpty(verify(dataset.folder).faults)

    def test_a_copy_is_rejected_with_its_partner_unless_duplicates_are_kept(self):
        (self.folder / "copy.mp4").write_bytes((self.folder / "v0.mp4").read_bytes())
        self.manifest = self.write_manifest([*self.rows, ["copy.mp4", "grey"]])
        self.assertEqual(self.write().num_videos, 9)
        with open(self.output / "rejected.csv", newline="") as opened:
            (row,) = csv.DictReader(opened)
        self.assertEqual(
            [row[name] for name in ("video_id", "reason", "partner", "distance")],
            ["copy", "duplicate (same content as v0)", "v0", "0.0"],
        )
        self.assertEqual(self.write(self.folder / "K", keep_duplicates=True).num_videos, 10)
        with self.assertRaisesRegex(UserError, "made with keep_duplicates False, not True"):
            self.write(keep_duplicates=True)

    def test_copies_of_a_held_out_upload_are_rejected_unless_duplicates_are_kept(self):
        (self.folder / "copy.mp4").write_bytes((self.folder / "v0.mp4").read_bytes())
        self.manifest = self.write_manifest([*self.rows, ["copy.mp4", "grey"]])
        test = self.write_manifest([["elsewhere/v0.mp4", "grey"]], "test.csv")
        self.assertEqual(self.write(exclude=[test]).num_videos, 8)
        with open(self.output / "rejected.csv", newline="") as opened:
            rejected = [(row["video_id"], row["reason"], row["partner"]) for row in csv.DictReader(opened)]
        named = "elsewhere/v0.mp4"
        self.assertEqual(
            rejected,
            [
                ("v0", f"held out by name ({named} is in test.csv; contents were not compared)", named),
                ("copy", f"held out (same content as {named} of test.csv)", named),
            ],
        )
        self.assertEqual(self.write(self.folder / "K", exclude=[test], keep_duplicates=True).num_videos, 9)

    def test_what_cannot_be_used_is_rejected_with_a_reason(self):
        (self.folder / "text.mp4").write_text("hello")
        (self.folder / "half.mp4").write_bytes((self.folder / "v8.mp4").read_bytes()[:2000])
        cv2.imwrite(str(self.folder / "image.png"), np.full((30, 60, 3), 9, np.uint8))
        self.manifest = self.write_manifest(
            [
                ["v2.mp4", "grey|bars"],
                ["text.mp4", "grey"],
                ["none.mp4", "grey"],
                ["half.mp4", "grey"],
                ["v0.mp4", "gray"],
                ["image.png", "noise"],
            ]
        )
        dataset = self.write()
        self.assertEqual((dataset.num_clips, dataset.num_videos, dataset.multi_label), (4, 2, True))
        self.assertEqual(dataset.clips_per_class, {"grey": 3, "noise": 1, "bars": 3})
        with open(self.output / "rejected.csv", newline="") as opened:
            rejected = {row["path"]: row for row in csv.DictReader(opened)}
        self.assertEqual(
            {path: row["reason"] for path, row in rejected.items()},
            {
                "text.mp4": "cannot be opened as a video (text)",
                "none.mp4": "no such file",
                "half.mp4": "cannot be opened as a video (of no known container, or damaged at its beginning)",
                "v0.mp4": "unknown label 'gray' (is it 'grey'?)",
            },
        )
        self.assertEqual(rejected["none.mp4"]["label"], "grey")
        self.assertEqual(dataset.rejected, {"cannot be opened as a video": 2, "no such file": 1, "unknown label": 1})
        self.assertIn("rejected 4 (cannot be opened as a video 2, no such file 1", summary(dataset))
        self.assertEmpty(verify(self.output).faults)

    def test_a_quota_balances_the_classes(self):
        self.manifest = self.write_manifest(self.rows[:7])
        dataset = self.write(clips_per_class=4, num_shards=2)
        self.assertEqual(dataset.clips_per_class, {"grey": 4, "noise": 4, "bars": 1})
        per_video = [clip.video_id for clip in clips_of(dataset)]
        # Videos of 1, 2 and 3 windows share four clips as 1, 2, 1 or 1, 1, 2.
        self.assertEqual({per_video.count(f"v{number}") for number in range(6)}, {1, 2})
        self.assertLen(dataset.shards, 2)

    def test_clip_seconds_zero_makes_one_record_of_a_video(self):
        dataset = self.write(clip_seconds=0.0, num_shards=3)
        self.assertEqual(dataset.num_clips, 9)
        self.assertEqual({len(clip.frames) for clip in clips_of(dataset)}, {5, 9, 13})

    def test_nothing_usable_is_an_error_and_may_be_mended(self):
        self.manifest = self.write_manifest([["gone.mp4", "grey"], ["v0.mp4", "green"]])
        message = r"no row of web gave a clip: 2 rejected \(no such file 1, unknown label 1\)"
        with self.assertRaisesRegex(UserError, message):
            self.write()
        self.assertLen((self.output / "rejected.csv").read_text().splitlines(), 3)
        write_video(self.folder / "gone.mp4", 0.5, seed=1)
        self.assertEqual(self.write().num_clips, 1)

    def test_a_folder_in_use_is_refused(self):
        with locked(self.output, "labels"), self.assertRaisesRegex(UserError, "in use by another run.* for the shards"):
            self.write()

    @parameterized.parameters("classes", "exclude")
    def test_a_text_where_a_list_is_meant_is_refused(self, name):
        with self.assertRaisesRegex(UserError, rf"^{name} = 'a.csv': give a list, e.g. \['a.csv'\]"):
            self.write(**{name: "a.csv"})

    def test_a_file_in_the_folders_place_is_refused(self):
        with self.assertRaisesRegex(UserError, "is not a folder"):
            self.write(self.manifest)
