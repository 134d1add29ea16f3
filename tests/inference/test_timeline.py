"""A video's timeline against shards of the same windows, predicted; and what its reader survives."""

import contextlib
import csv
import io
import itertools
import json
import pathlib
import pickle
from unittest import mock

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import command
from spl_tf import predict as predict_command
from spl_tf.data.building import overlapping
from spl_tf.data.building.cutting import ClipFormat, cut_clips
from spl_tf.data.building.overlapping import OverlappingClips, video_of
from spl_tf.data.building.shards import write_shards
from spl_tf.data.workers import Failure
from spl_tf.errors import UserError
from spl_tf.inference import timeline
from spl_tf.inference.prediction import predict_clips
from spl_tf.inference.timeline_figure import clock, draw_timeline

CLASSES = ("red", "green", "blue")
# What the colour teacher sees at once: 4 frames of stride 2, at 10 frames per second.
WINDOW_SECONDS = 0.7


def _write_video(path, num_frames=47, fps=10, size=(40, 32)):
    """Colours and brightness that change all the time."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), fps, size)
    generator = np.random.default_rng(0)
    for number in range(num_frames):
        colour = 127 + 120 * np.sin(number / np.array([3.0, 5.0, 8.0]))
        writer.write(np.clip(colour + generator.normal(0, 20, (size[1], size[0], 3)), 0, 255).astype(np.uint8))
    writer.release()


class TimelineTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, colour_teacher, tmp_path):
        self.teacher, self.folder = colour_teacher, tmp_path
        self.video = tmp_path / "day.mp4"
        _write_video(self.video)

    def _call(self, *arguments):
        """(exit code, standard output, standard error)."""
        stdout, stderr = io.StringIO(), io.StringIO()
        options = [f"--model_dir={self.teacher}", f"--output_dir={self.folder / 't'}"]
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            module = predict_command
            code = command.execute(module.main, module.FLAGS, module.__doc__, ["predict", *options, *arguments])
        return code, stdout.getvalue(), stderr.getvalue()

    def _table(self):
        with open(self.folder / "t" / "timeline.csv", newline="", encoding="utf-8") as opened:
            return list(csv.DictReader(opened))

    def _predicted(self, start):
        """Start in seconds -> (teacher's class, confidence) of the clips of shards that begin at `start`."""
        folder = self.folder / f"from{start}"
        folder.mkdir()
        (folder / "day.csv").write_text(f"path,label,start\n{self.video},red,{start}\n")
        options = {"clip_seconds": WINDOW_SECONDS, "fps": 10, "short_side": 32, "num_shards": 1, "workers": 1}
        write_shards(folder / "day.csv", folder / "shards", classes=CLASSES, **options)
        predict_clips(self.teacher, folder / "shards", folder / "p", precision="float32", top_k=3)
        (path,) = (folder / "p").glob("*.parquet")
        table = pq.read_table(path).to_pydict()
        return {
            int(clip_id.rpartition("@")[2]) / 1000: (teacher, confidence, dict(zip(classes, scores, strict=True)))
            for clip_id, teacher, confidence, classes, scores in zip(
                *(table[name] for name in ("clip_id", "teacher", "confidence", "top_classes", "top_scores")),
                strict=True,
            )
        }

    def test_scores_are_to_the_bit_those_of_the_shards_clips_that_begin_there(self):
        code, printed, complaint = self._call(
            f"--video={self.video}",
            "--gin_param=predict_timeline.seconds_between = 0.5",
            "--gin_param=predict_timeline.precision = 'float32'",
        )
        self.assertEqual(code, 0, complaint)
        rows = self._table()
        self.assertEqual([float(row["start_s"]) for row in rows], [0.5 * number for number in range(9)])
        self.assertStartsWith(printed, "9 windows of 0.7 s over 4.7 s: ")
        # Windows of shards follow each other without overlap: 0, 0.7, 1.4, ...; 0.5, 1.2, ...
        compared = 0
        for start in (0, 0.5, 1, 2):
            for moment, (teacher, confidence, scores) in self._predicted(start).items():
                for row in rows:
                    if float(row["start_s"]) == moment:
                        compared += 1
                        self.assertEqual(float(row["end_s"]), round(moment + WINDOW_SECONDS, 3))
                        self.assertEqual(row["class_1"], CLASSES[teacher])
                        self.assertEqual(np.float32(row["score_1"]), np.float32(confidence))
                        found = [np.float32(row[f"score of {name}"]) for name in CLASSES]
                        self.assertEqual(found, [np.float32(scores[number]) for number in range(3)])
                        ranked = sorted(zip(found, CLASSES, strict=True), reverse=True)
                        self.assertEqual([row[f"class_{k}"] for k in (1, 2, 3)], [name for _, name in ranked])
        self.assertGreaterEqual(compared, 5)
        self.assertGreater(np.ptp([float(row["score of red"]) for row in rows]), 0.3)  # Else any windows would do.

        content = json.loads((self.folder / "t" / "timeline.json").read_text())
        self.assertEqual((content["windows"], content["fault"], content["classes"]), (9, None, list(CLASSES)))
        picture = cv2.imread(str(self.folder / "t" / "timeline.png"))
        self.assertGreater(picture.shape[1], 1000)

    def test_a_video_shorter_than_a_window_is_looped_and_told_of(self):
        _write_video(self.folder / "short.mp4", num_frames=4)
        code, printed, complaint = self._call(f"--video={self.folder / 'short.mp4'}")
        self.assertEqual(code, 0, complaint)
        self.assertIn("is shorter than a window of 0.7 s: its frames were looped", printed)
        (row,) = self._table()
        self.assertEqual((row["start_s"], row["end_s"]), ("0.000", "0.400"))

    def test_a_damaged_video_is_used_and_told_of(self):
        content = bytearray(self.video.read_bytes())
        start = content.index(b"mdat") + len(content[content.index(b"mdat") :]) // 3
        content[start : start + 400] = np.random.default_rng(0).bytes(400)
        self.video.write_bytes(content)
        code, printed, complaint = self._call(f"--video={self.video}")
        self.assertEqual(code, 0, complaint)
        self.assertRegex(printed, r"day.mp4 is used, though: damaged \(\d+ packets, from")
        self.assertLen(json.loads((self.folder / "t" / "timeline.json").read_text())["notes"], 1)

    def test_scores_that_are_not_finite_are_refused(self):
        broken = {"scores": tf.fill([16, 3], np.nan)}
        with mock.patch.object(timeline.TrainedModel, "__call__", return_value=broken):
            code, _, complaint = self._call(f"--video={self.video}")
        self.assertEqual(code, 2)
        self.assertIn("day.mp4: scores from 0 s on are not finite", complaint)
        self.assertEqual([path.name for path in (self.folder / "t").iterdir() if path.name != ".lock"], [])

    @parameterized.parameters(
        ([], "--shards missing, see --help"),
        (["--video=v.mp4", "--shards=D"], "--shards and --video: give one of them"),
        (["--video=nowhere.mp4"], "nowhere.mp4 gives no clip: "),
        (
            ["--video=v.mp4", "--gin_param=predict_timeline.seconds_between = 0.01"],
            "give at least 0.1 s, the time of one",
        ),
        (["--video=v.mp4", "--gin_param=predict_timeline.jpeg_quality = 101"], "predict_timeline.jpeg_quality = 101"),
        (["--video=v.mp4", "--gin_param=predict_timeline.batch_size = 0"], "predict_timeline.batch_size = 0"),
    )
    def test_mistakes_are_one_line_and_exit_with_2(self, arguments, words):
        code, _, complaint = self._call(*arguments)
        self.assertEqual(code, 2)
        self.assertIn(words, complaint)
        self.assertEqual(sum(line.startswith("spl_tf: ") for line in complaint.splitlines()), 1)


class OverlappingClipsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.video = pathlib.Path(self.create_tempdir().full_path) / "day.mp4"

    @parameterized.parameters((30, 10, 0.7, 0.3), (30, 25, 0.5, 0.1), (10, 12.5, 0.4, 0.33))
    def test_every_window_is_the_clip_that_is_cut_there(self, source_fps, fps, clip_seconds, seconds_between):
        _write_video(self.video, num_frames=2 * source_fps, fps=source_fps)
        clip_format = ClipFormat(clip_seconds, fps, 32, 90)
        clips = list(OverlappingClips(self.video, clip_format, seconds_between))
        self.assertGreater(len(clips), 3)
        for number, clip in enumerate(clips):
            start = int(number * seconds_between * fps + 0.5) / fps
            self.assertEqual(clip, next(cut_clips(video_of(self.video, start), (0,), clip_format)))

    def test_a_decoder_that_crashes_ends_the_video_there_and_says_why(self):
        _write_video(self.video)

        def crash(function, jobs, **options):
            (cut,) = jobs
            with open(cut.spool, "wb") as pipe:
                for clip in itertools.islice(cut_clips(cut.video, None, cut.clip_format), 12):
                    pickle.dump(clip, pipe)
                pipe.write(pickle.dumps(clip)[:100])
            yield Failure("decoder crashed", "(signal 11)")

        clips = OverlappingClips(self.video, ClipFormat(0.5, 10, 32, 90), 0.5)
        with mock.patch.object(overlapping, "run_in_workers", crash):
            self.assertEqual([clip.start_us for clip in clips], [0, 500_000])
        self.assertEqual((clips.seconds, clips.fault), (1.2, "decoder crashed (signal 11)"))

    def test_a_reader_that_stops_early_is_left_in_peace(self):
        _write_video(self.video)
        clips = iter(OverlappingClips(self.video, ClipFormat(0.5, 10, 32, 90), 0.5))
        next(clips)
        clips.close()

    def test_what_cannot_be_read_is_named_by_its_reason(self):
        self.video.write_bytes(b"no video")
        with self.assertRaisesRegex(UserError, r"day.mp4 gives no clip: .*video"):
            next(iter(OverlappingClips(self.video, ClipFormat(0.5, 10, 32, 90), 0.5)))


class FigureTest(tf.test.TestCase):
    def test_short_events_of_a_long_video_are_seen(self):
        scores = np.full((40_000, 30), 0.01, np.float32)
        scores[20_000, 7] = 1.0
        path = pathlib.Path(self.create_tempdir().full_path) / "t.png"
        classes = [f"class {number}" for number in range(30)]
        draw_timeline(path, np.arange(40_000) + 1.2, scores, classes, title="day.mp4")
        picture = cv2.imread(str(path)).astype(int)
        blue, green, red = np.moveaxis(picture, 2, 0)
        dark = (blue > red + 60) & (green < 80)  # The end of the scale, #084081.
        left, right = np.flatnonzero(dark[:, : int(0.9 * dark.shape[1])].any(axis=0))[[0, -1]]
        self.assertBetween((left + right) / 2 / dark.shape[1], 0.4, 0.6)

    def test_times_are_those_of_a_player(self):
        shown = {0: "0:00", 7.5: "0:07.5", 61: "1:01", 3723: "1:02:03", -1: "-0:01"}
        self.assertEqual([clock(seconds) for seconds in shown], list(shown.values()))


if __name__ == "__main__":
    tf.test.main()
