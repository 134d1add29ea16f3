"""A list's videos are corrupted: what remains, what is lost and why, and runs that stop."""

import csv
import json
import os
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.manifest import Video, read_manifest
from spl_tf.data.video.writing import write_video
from spl_tf.data.workers import Failure, run_in_workers
from tests.commands import last_line, run_command
from tests.written import csv_rows
from tools.robustness import corrupt_videos, corrupted_set
from tools.robustness.corrupted_set import read_notes
from tools.robustness.decodable import Decoded, decode


def here(function, jobs, **options):
    """In place of processes, which take seconds to start."""
    del options
    return map(function, jobs)


class CorruptVideosTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        generator = np.random.default_rng(0)
        for name, frames in (("a/1", 20), ("a/2", 17), ("b/1", 16), ("b/2", 40)):
            path = self.folder / f"{name}.mp4"
            path.parent.mkdir(exist_ok=True)
            write_video(path, generator.integers(0, 256, (frames, 32, 32, 3), np.uint8), 10)
        self.rows = [(f"{name}.mp4", name[0], "x, y") for name in ("a/1", "a/2", "b/1", "b/2")]
        self.write("train.csv", self.rows)
        self.enter_context(mock.patch.object(corrupted_set, "run_in_workers", here))

    def write(self, name, rows):
        with open(self.folder / name, "w", newline="") as opened:
            csv.writer(opened).writerows([("path", "label", "note"), *rows])

    def execute(self, *arguments, source="train.csv", output="out"):
        """Runs the command: exit code, stdout, last line of stderr."""
        argv = [f"--list={self.folder / source}", f"--output_dir={self.folder / output}", *arguments]
        code, out, err = run_command(corrupt_videos, *argv)
        return code, out, last_line(err)

    def files(self, output="out"):
        folder = self.folder / output
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def test_without_flips_all_that_is_long_enough_remains_as_it_was(self):
        code, out, _ = self.execute("--kind=random", "--probability=0")
        self.assertEqual(code, 0)
        for name, *_ in self.rows:
            self.assertEqual((self.folder / "out/videos" / name).read_bytes(), (self.folder / name).read_bytes())
        rows = csv_rows(self.folder / "out/train.csv")
        kept = [(f"videos/{name}", *rest) for name, *rest in self.rows if name != "b/1.mp4"]
        self.assertEqual([tuple(row.values()) for row in rows], kept)
        videos = read_manifest(self.folder / "out/train.csv", ("a", "b"), "label")
        self.assertTrue(all(isinstance(video, Video) for video in videos), videos)
        (lost,) = csv_rows(self.folder / "out/train.lost.csv")
        self.assertEqual(list(lost.values()), ["b/1.mp4", "fewer than 17 frames (16)", "16", "16"])
        self.assertIn("3 of 4 videos remain, 3 of 4 rows; 0 of ", out)
        self.assertIn("lost 1 (fewer than 17 frames 1): see train.lost.csv\n1 of the lost give fewer", out)

    def test_what_gives_no_frames_is_lost_with_its_reason(self):
        (self.folder / "broken.avi").write_bytes(bytes(range(256)) * 20)
        (self.folder / "empty.avi").touch()
        (self.folder / "notes.txt").write_text("text")
        names = ("broken.avi", "empty.avi", "notes.txt", "none.avi", "a", "a/1.mp4", "./a/1.mp4")
        self.write("other.csv", [(name, "a", "") for name in names])
        code, out, _ = self.execute("--kind=random", "--probability=0", source="other.csv")
        self.assertEqual(code, 0)
        reasons = {
            row["path"]: (row["reason"], row["frames"], row["uncorrupted_frames"])
            for row in csv_rows(self.folder / "out/other.lost.csv")
        }
        self.assertStartsWith(reasons["broken.avi"][0], "cannot be opened as a video (")
        self.assertEqual(reasons["broken.avi"][1:], ("0", "0"))
        self.assertEqual(reasons["empty.avi"], ("empty file", "0", ""))
        self.assertEqual(reasons["notes.txt"], ("text file, no video", "0", ""))
        self.assertEqual(reasons["none.avi"], ("no such file", "0", ""))
        self.assertStartsWith(reasons["a"][0], "not a file (")
        # Two rows of one file are one video.
        self.assertLen(csv_rows(self.folder / "out/other.csv"), 2)
        self.assertIn("1 of 6 videos remain, 2 of 7 rows", out)

    def test_a_header_that_is_hit_costs_the_video(self):
        code, _, error = self.execute("--kind=contiguous", "--share=0.99", "--least_frames=1")
        self.assertEqual(code, 2)
        self.assertIn("out/train.csv has no row, since lost 4 (", error)
        self.execute("--kind=contiguous", "--share=0.3", "--least_frames=1", output="some")
        notes = read_notes(self.folder / "some/corruption.json")
        kept = {row["path"].removeprefix("videos/") for row in csv_rows(self.folder / "some/train.csv")}
        lost = {row["path"] for row in csv_rows(self.folder / "some/train.lost.csv")}
        self.assertEqual(kept | lost, {name for name, *_ in self.rows})
        self.assertEmpty(kept & lost)
        for name, video in notes.videos.items():
            found = decode(str(self.folder / "some/videos" / name))
            self.assertEqual((video.frames, video.fault), (found.frames, found.fault))
            self.assertEqual(name in kept, found.frames >= 1)
            self.assertEqual(video.num_flipped, 8 * round(0.3 * video.num_bytes))

    def test_order_and_processes_change_nothing(self):
        self.execute("--kind=random", "--probability=1e-3")
        self.write("train.csv", self.rows[::-1])
        with mock.patch.object(corrupted_set, "run_in_workers", run_in_workers):
            code, _, _ = self.execute("--kind=random", "--probability=1e-3", "--workers=1", output="again")
        self.assertEqual(code, 0)
        first, again = self.files(), self.files("again")
        for name in [f"videos/{name}" for name, *_ in self.rows]:
            self.assertEqual(first[name], again[name])
        self.assertCountEqual(first["train.csv"].splitlines(), again["train.csv"].splitlines())
        self.assertCountEqual(first["train.lost.csv"].splitlines(), again["train.lost.csv"].splitlines())
        first, again = (json.loads(files["corruption.json"])["videos"] for files in (first, again))
        self.assertEqual(first, again)

    def test_a_stopped_run_goes_on_and_ends_alike(self):
        arguments = ("--kind=random", "--probability=1e-3")
        self.execute(*arguments, output="undisturbed")

        def stops(function, jobs, **options):
            for number, job in enumerate(jobs):
                if function is decode and number == 2:
                    raise KeyboardInterrupt
                yield function(job)

        with mock.patch.object(corrupted_set, "run_in_workers", stops):
            code, _, error = self.execute(*arguments)
        self.assertEqual(code, 130)
        self.assertIn("the same command goes on", error)
        (self.folder / "out/videos/a/.host.1.tmp.3.mp4").write_bytes(b"half")
        (self.folder / "out/videos/b/2.mp4").write_bytes(b"half")
        decoded = []

        def noted(function, jobs, **options):
            decoded.extend(jobs if function is decode else [])
            return map(function, jobs)

        with mock.patch.object(corrupted_set, "run_in_workers", noted):
            code, _, _ = self.execute(*arguments)
        self.assertEqual(code, 0)
        self.assertEqual(self.files(), self.files("undisturbed"))
        places = [os.path.relpath(path, self.folder / "out/videos") for path in decoded if "/out/videos/" in path]
        self.assertEqual(places, ["b/1.mp4", "b/2.mp4"])

    def test_a_decoder_that_crashes_costs_its_video_and_is_tried_again(self):
        def crashes(function, jobs, **options):
            for job in jobs:
                crashed = function is decode and job.endswith("out/videos/a/1.mp4")
                yield Failure("decoder crashed", "(signal 11)") if crashed else function(job)

        with mock.patch.object(corrupted_set, "run_in_workers", crashes):
            code, out, _ = self.execute("--kind=random", "--probability=0")
        self.assertEqual(code, 0)
        self.assertIn("decoder crashed 1", out)
        lost = csv_rows(self.folder / "out/train.lost.csv")
        self.assertEqual(list(lost[0].values()), ["a/1.mp4", "decoder crashed (signal 11)", "0", "20"])
        self.execute("--kind=random", "--probability=0")
        self.assertLen(csv_rows(self.folder / "out/train.csv"), 3)

    def test_a_folder_of_other_settings_or_damaged_notes_is_refused(self):
        self.execute("--kind=random", "--probability=0")
        for arguments, what in (
            (("--kind=random", "--probability=0.5"), "made with probability 0"),
            (("--kind=contiguous",), "made with kind random, not contiguous"),
        ):
            code, _, error = self.execute(*arguments)
            self.assertEqual(code, 2)
            self.assertIn(what, error)
        self.write("train.csv", self.rows[:2])
        _, _, error = self.execute("--kind=random", "--probability=0")
        self.assertIn("made with another content of the list", error)
        notes = self.folder / "out/corruption.json"
        notes.write_text(notes.read_text().replace('"frames": 20', '"frames": 21'))
        code, _, error = self.execute("--kind=random", "--probability=0")
        self.assertEqual(code, 2)
        self.assertIn("corruption.json is damaged or was edited", error)

    @parameterized.parameters(
        (["--probability=2"], "--probability=2: give a number from 0 to 1"),
        (["--kind=contiguous", "--share=nan"], "--share=nan: give a number from 0 to 1"),
        (["--share=0.5"], "--share would change nothing: not of --kind=random"),
        (["--kind=contiguous", "--probability=0.1"], "--probability would change nothing: not of --kind=contiguous"),
        (["--kind=salt"], "salt"),
        (["--seed=-1"], "--seed=-1"),
        (["--workers=0"], "both must be above 0"),
        (["--list=none.csv"], "none.csv is no file: check --list"),
        (["--list=DIR/up.csv"], "would both be called a/1.mp4"),
        (["--output_dir=DIR"], "lies in --output_dir="),
        (["--list=DIR/a", "--output_dir=DIR/a/out"], "lies in --list="),
        (["--list=DIR/gone.csv"], "has no row, since lost 1 (no such file 1)"),
    )
    def test_mistakes_are_one_line(self, arguments, message):
        self.write("gone.csv", [("gone.mp4", "a", "")])
        self.write("up.csv", [("a/1.mp4", "a", ""), ("../a/1.mp4", "a", "")])
        (self.folder.parent / "a").mkdir(exist_ok=True)
        (self.folder.parent / "a/1.mp4").write_bytes(b"another")
        code, _, error = self.execute("--kind=random", *(one.replace("DIR", str(self.folder)) for one in arguments))
        self.assertEqual(code, 2)
        self.assertIn(message, error)
        self.assertStartsWith(error, "spl_tf: ")


class DecodeTest(tf.test.TestCase):
    def test_frames_are_counted(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "v.mp4"
        write_video(path, np.zeros((19, 16, 16, 3), np.uint8), 25)
        self.assertEqual(decode(str(path)), Decoded(19))
        path.write_bytes(path.read_bytes()[:100])
        self.assertNotEmpty(decode(str(path)).fault)


if __name__ == "__main__":
    tf.test.main()
