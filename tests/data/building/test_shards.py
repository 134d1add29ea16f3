import contextlib
import csv
import io
import json
import pathlib
import signal
import subprocess
import sys
import time
from unittest import mock

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import checksums
from spl_tf.data.building import shard_files
from spl_tf.data.building.resume import Progress
from spl_tf.data.building.shards import summary, write_shards
from spl_tf.data.record import clip_from_bytes
from spl_tf.data.verify import verify
from spl_tf.errors import UserError
from spl_tf.files import locked

ROOT = pathlib.Path(__file__).parents[3]
CLASSES = ("grey", "noise", "bars")
FORMAT = {"clip_seconds": 0.4, "fps": 10.0, "short_side": 24}


def write_video(path, seconds, seed):
    generator = np.random.default_rng(seed)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 20.0, (64, 48))
    for _ in range(round(seconds * 20)):
        writer.write(generator.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()


def shard_bytes(folder):
    return {path.name: path.read_bytes() for path in pathlib.Path(folder).glob("*.tfrecord")}


def clips_of(dataset):
    return [
        clip_from_bytes(data)
        for shard in dataset.shards
        for data in tf.data.TFRecordDataset(shard.path).as_numpy_iterator()
    ]


class ShardsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.output = self.folder / "D"
        for number in range(9):
            write_video(self.folder / f"v{number}.mp4", 0.5 + 0.4 * (number % 3), seed=number)
        self.rows = [[f"v{number}.mp4", CLASSES[number // 3]] for number in range(9)]
        self.manifest = self.write_manifest(self.rows)

    def write_manifest(self, rows, name="web.csv"):
        with open(self.folder / name, "w", newline="") as opened:
            csv.writer(opened).writerows([["path", "label"], *rows])
        return self.folder / name

    def write(self, output=None, **changes):
        return write_shards(
            self.manifest, output or self.output, **{"classes": CLASSES, "workers": 1, **FORMAT, **changes}
        )

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

    def test_a_plan_of_another_version_is_made_anew(self):
        stopped = mock.patch.object(shard_files, "write_missing_shards", side_effect=KeyboardInterrupt)
        with stopped, self.assertRaises(KeyboardInterrupt):
            self.write()
        path = self.output / ".progress/plan.jsonl"
        settings, head, *shards = path.read_text().splitlines()[:-1]
        shards = [json.loads(line) for line in shards]
        fewer = [[name, [[*video[:-1], windows] for *video, windows in cuts]] for name, cuts in shards]
        path.write_text("".join(f"{line}\n" for line in [settings, head, *map(json.dumps, fewer)]))
        checksums.append_checksum(path)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            self.assertEqual(self.write().num_clips, 18)
        self.assertIn("plan.jsonl is of another version of the package: planned anew", printed.getvalue())

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

    def test_a_stopped_run_goes_on_without_touching_finished_shards(self):
        self.write(self.folder / "E")
        whole = shard_bytes(self.folder / "E")
        write_shard, calls = shard_files._write_shard, []

        def stop_at_the_third(*arguments):
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return write_shard(*arguments)

        with self.assertRaises(KeyboardInterrupt), mock.patch.object(shard_files, "_write_shard", stop_at_the_third):
            self.write()
        self.assertLen(shard_bytes(self.output), 2)
        self.assertFalse((self.output / "dataset.json").exists())
        with self.assertRaisesRegex(UserError, "made with fps 10.0, not 5.0"):
            self.write(fps=5.0)
        # A killed run leaves half-written files too.
        (self.output / ".host.123.tmp.web-00002-of-00004.tfrecord").write_bytes(b"half")
        (self.output / ".notes.tmpl").write_text("not ours")
        first = next(self.output.glob("web-00000*"))
        written_at = first.stat().st_mtime_ns
        self.write()
        self.assertEqual(shard_bytes(self.output), whole)
        self.assertEqual(first.stat().st_mtime_ns, written_at)
        self.assertCountEqual(
            [path.name for path in self.output.iterdir()],
            [*whole, "dataset.json", "rejected.csv", "notes.csv", "SHA256SUMS", ".lock", ".notes.tmpl"],
        )

    def test_notes_of_a_run_killed_at_its_very_end_are_cleared(self):
        with mock.patch.object(Progress, "clear", side_effect=KeyboardInterrupt), self.assertRaises(KeyboardInterrupt):
            self.write()
        self.assertTrue((self.output / "dataset.json").exists())
        self.assertTrue((self.output / ".progress").exists())
        written_at = (self.output / "dataset.json").stat().st_mtime_ns
        self.write()
        self.assertFalse((self.output / ".progress").exists())
        self.assertEqual((self.output / "dataset.json").stat().st_mtime_ns, written_at)

    @parameterized.named_parameters(
        ("a_shard_is_missing", "plan.jsonl", lambda text: "".join(text.splitlines(True)[:-1])),
        ("cut_off", "plan.jsonl", lambda text: text[:-9]),
        ("empty", "plan.jsonl", lambda text: ""),
        ("another_video", "plan.jsonl", lambda text: text.replace("v3.mp4", "v4.mp4")),
        ("other_settings", "plan.jsonl", lambda text: text.replace('"fps": 10.0', '"fps": 11.0')),
        ("other_names", "web-00000-of-00004.json", lambda text: text.replace('"records"', '"recordsx"')),
        ("other_counts", "web-00000-of-00004.json", lambda text: text.replace('"videos": ', '"videos": 1')),
        ("no_object", "web-00000-of-00004.json", lambda text: "[]"),
    )
    def test_a_damaged_note_is_told_of_and_what_it_is_about_is_made_again(self, name, damage):
        with mock.patch.object(Progress, "clear"):
            made = self.write(num_shards=4)
        whole = shard_bytes(self.output)
        times = {path.name: path.stat().st_mtime_ns for path in self.output.glob("*.tfrecord")}
        (self.output / "dataset.json").unlink()
        note = self.output / ".progress" / name
        damaged = damage(note.read_text())
        self.assertNotEqual(damaged, note.read_text())
        note.write_text(damaged)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            self.assertEqual(self.write(num_shards=4), made)
        self.assertIn(f"{name} is damaged", said.getvalue())
        self.assertEqual(shard_bytes(self.output), whole)
        again = {path for path, time in times.items() if (self.output / path).stat().st_mtime_ns != time}
        self.assertEqual(again, set() if name == "plan.jsonl" else {f"{name.removesuffix('.json')}.tfrecord"})
        self.assertEmpty(verify(self.output).faults)

    def test_a_finished_folder_is_not_touched_again(self):
        made = self.write()
        (self.folder / "v0.mp4").unlink()
        self.assertEqual(self.write(workers=2, seconds_per_video=5.0), made)
        with self.assertRaisesRegex(UserError, "made with short_side 24, not 32: choose another --output_dir"):
            self.write(short_side=32)
        with self.assertRaisesRegex(UserError, "another list of classes"):
            self.write(classes=CLASSES[::-1])
        self.write_manifest(self.rows[1:])
        with self.assertRaisesRegex(UserError, "another content of the manifest"):
            self.write()

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

    @parameterized.parameters(signal.SIGKILL, signal.SIGTERM)
    def test_a_killed_command_goes_on(self, stop):
        (self.folder / "classes.txt").write_text("\n".join(CLASSES) + "\n")
        for number in range(9, 40):
            (self.folder / f"v{number}.mp4").write_bytes((self.folder / f"v{number % 9}.mp4").read_bytes())
        self.manifest = self.write_manifest([[f"v{number}.mp4", CLASSES[number % 3]] for number in range(40)])
        command = [sys.executable, "-m", "spl_tf.shard", "--clip_seconds=0.4", "--fps=10", "--short_side=24"]
        command += [f"--manifest={self.manifest}", f"--classes={self.folder}/classes.txt", "--num_shards=40"]
        command += ["--keep_duplicates"]
        process = subprocess.Popen(
            [*command, f"--output_dir={self.output}", "--workers=1"], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        while not shard_bytes(self.output) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(stop)
        self.assertEqual(process.wait(), 143 if stop == signal.SIGTERM else -stop)
        self.assertLess(len(shard_bytes(self.output)), 40)
        self.assertNotEmpty(json.loads((self.output / ".progress/plan.jsonl").read_text().splitlines()[0]))
        dataset = self.write(num_shards=40, keep_duplicates=True)
        self.assertEqual(dataset.num_clips, sum(1 + (number % 9) % 3 for number in range(40)))
        self.assertEmpty(verify(self.output).faults)
