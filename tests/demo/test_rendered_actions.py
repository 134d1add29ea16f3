"""The rendered set is the paper's problem: clean target videos, and uploads whose query is right part of the time."""

import collections
import csv
import pathlib
from unittest import mock

import cv2
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.video import writing
from spl_tf.demo import rendered_actions
from spl_tf.demo.action_drawing import BACKGROUND, CLASSES, FRAME_RATE
from spl_tf.demo.rendered_actions import CONFUSED_WITH, plan_uploads, render_actions
from spl_tf.errors import UserError

_SMALL = {"target_per_class": 1, "test_per_class": 2, "web_per_class": 1}


def _rows(path):
    with open(path, newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def _contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class PlanTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(query=CLASSES, noise_rate=(0.0, 0.3, 0.6, 0.9))
    def test_query_is_right_for_the_rest_of_the_noise(self, query, noise_rate):
        frames = collections.Counter()
        for shots in plan_uploads(query, 14, noise_rate, np.random.default_rng(3)):
            for shot in shots:
                frames[shot.action] += shot.num_frames
        total = frames.total()
        self.assertNear(frames[query] / total, 1 - noise_rate, 0.015)
        # Half of the noise is the class the query is mixed up with, a quarter shows nothing, a quarter the other four.
        self.assertNear(frames[CONFUSED_WITH[query]] / total, noise_rate / 2, 0.015)
        self.assertNear(frames[BACKGROUND] / total, noise_rate / 4, 0.015)
        for action in set(CLASSES) - {query, CONFUSED_WITH[query]}:
            self.assertNear(frames[action] / total, noise_rate / 16, 0.015)

    def test_uploads_are_untrimmed_and_differ_in_how_right_they_are(self):
        uploads = plan_uploads("zooms", 14, 0.6, np.random.default_rng(3))
        self.assertLen(uploads, 14)
        seconds = [sum(shot.num_frames for shot in shots) / FRAME_RATE for shots in uploads]
        self.assertAllInRange(seconds, 15, 42)
        right = [sum(shot.num_frames for shot in shots if shot.action == "zooms") for shots in uploads]
        shares = np.array(right) / FRAME_RATE / seconds
        self.assertLess(shares.min(), 0.25)
        self.assertGreater(shares.max(), 0.55)

    def test_every_class_is_mixed_up_with_another(self):
        self.assertEqual(set(CONFUSED_WITH), set(CLASSES))
        self.assertEqual({CONFUSED_WITH[CONFUSED_WITH[name]] for name in CLASSES}, set(CLASSES))
        self.assertNotIn(True, [CONFUSED_WITH[name] == name for name in CLASSES])


class RenderActionsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir()) / "rendered"

    def _leave_frames_blank(self):
        """For tests that are not about pixels: drawing takes most of the time."""
        blank = mock.patch.object(
            rendered_actions.action_drawing,
            "draw_action",
            side_effect=lambda action, num_frames, rng: np.zeros((num_frames, 64, 80, 3), np.uint8),
        )
        self.enter_context(blank)

    def test_files_are_what_the_lists_say(self):
        rendered = render_actions(self.folder, seed=5, **_SMALL)
        self.assertEqual(rendered.classes.read_text().splitlines(), list(CLASSES))
        for manifest, per_class in ((rendered.target, 1), (rendered.test, 2)):
            rows = _rows(manifest)
            self.assertEqual(list(rows[0]), ["path", "label"])
            self.assertEqual(collections.Counter(row["label"] for row in rows), dict.fromkeys(CLASSES, per_class))
            for row in rows:
                self.assertBetween(self._video_seconds(row["path"]), 1.95, 3.05)

        uploads = _rows(rendered.web)
        self.assertEqual(list(uploads[0]), ["video_id", "path", "query", "language", "rank", "address"])
        self.assertCountEqual([upload["query"] for upload in uploads], CLASSES)
        truth = _rows(rendered.truth)
        self.assertEqual(list(truth[0]), ["video_id", "start", "end", "action"])
        for upload in uploads:
            shots = [row for row in truth if row["video_id"] == upload["video_id"]]
            self.assertEqual([row["start"] for row in shots], ["0.000", *(row["end"] for row in shots[:-1])])
            self.assertAlmostEqual(self._video_seconds(upload["path"]), float(shots[-1]["end"]), places=3)
            self.assertContainsSubset({row["action"] for row in shots}, {*CLASSES, BACKGROUND})
        listed = [row["path"] for row in (*_rows(rendered.target), *_rows(rendered.test), *uploads)]
        found = [str(path.relative_to(self.folder)) for path in self.folder.rglob("*.mp4")]
        self.assertCountEqual(found, listed)

    def _video_seconds(self, path):
        """Counts the frames that decode; checks size and frame rate."""
        video = cv2.VideoCapture(str(self.folder / path))
        self.assertEqual(video.get(cv2.CAP_PROP_FPS), FRAME_RATE)
        count = 0
        while True:
            decoded, frame = video.read()
            if not decoded:
                return count / FRAME_RATE
            self.assertEqual(frame.shape, (64, 80, 3))
            count += 1

    def test_same_seed_gives_the_same_bytes_and_another_seed_other_videos(self):
        self.enter_context(mock.patch.object(rendered_actions, "_SHOT_SECONDS", (0.4, 0.8)))
        render_actions(self.folder / "first", seed=5, **_SMALL)
        cv2.setNumThreads(1)
        self.addCleanup(cv2.setNumThreads, -1)
        render_actions(self.folder / "again", seed=5, **_SMALL)
        render_actions(self.folder / "other", seed=6, **_SMALL)
        first, again, other = (_contents(self.folder / name) for name in ("first", "again", "other"))
        self.assertEqual(first, again)
        self.assertEqual(set(first), set(other))
        for name in first:
            if name.endswith(".mp4"):
                self.assertNotEqual(first[name], other[name], name)

    def test_finished_set_is_left_alone(self):
        self._leave_frames_blank()
        first = render_actions(self.folder, **_SMALL)
        before = {path: path.stat().st_mtime_ns for path in self.folder.rglob("*")}
        with mock.patch.object(rendered_actions, "write_video", side_effect=AssertionError):
            self.assertEqual(render_actions(self.folder, **_SMALL), first)
        self.assertEqual({path: path.stat().st_mtime_ns for path in self.folder.rglob("*")}, before)

    def test_stopped_run_leaves_no_marker_and_starts_again(self):
        self._leave_frames_blank()
        written = []

        def stop_at_the_fourth(path, frames, frame_rate):
            if len(written) == 3:
                raise KeyboardInterrupt
            written.append(path)

        with (
            mock.patch.object(rendered_actions, "write_video", side_effect=stop_at_the_fourth),
            self.assertRaises(KeyboardInterrupt),
        ):
            render_actions(self.folder, **_SMALL)
        self.assertFalse((self.folder / "rendered.json").exists())
        render_actions(self.folder, **_SMALL)
        self.assertTrue((self.folder / "rendered.json").exists())

    def test_other_settings_in_the_same_folder_are_refused(self):
        self._leave_frames_blank()
        render_actions(self.folder, **_SMALL)
        with self.assertRaisesRegex(UserError, r"rendered with seed 1, noise_rate 0.6, not seed 2, noise_rate 0.3: "):
            render_actions(self.folder, seed=2, noise_rate=0.3, **_SMALL)

    @parameterized.parameters(
        ({"noise_rate": 1.0}, "noise_rate is 1.0: it must be at least 0 and below 1"),
        ({"noise_rate": -0.1}, "noise_rate is -0.1"),
        ({"seed": -1}, "seed is -1: it must be at least 0"),
        ({"web_per_class": 0}, "web_per_class is 0: it must be at least 1"),
    )
    def test_impossible_settings_are_refused(self, settings, message):
        with self.assertRaisesRegex(UserError, message):
            render_actions(self.folder, **settings)
        self.assertFalse(self.folder.exists())

    def test_set_tells_its_noise_rate_and_seed(self):
        self._leave_frames_blank()
        rendered = render_actions(self.folder, seed=3, noise_rate=0.25, **_SMALL)
        self.assertEqual((rendered.seed, rendered.noise_rate), (3, 0.25))


class WriteVideoTest(tf.test.TestCase):
    def test_video_that_could_not_be_written_whole_is_refused(self):
        path = pathlib.Path(self.create_tempdir()) / "video.mp4"
        frames = np.zeros((4, 64, 80, 3), np.uint8)
        with (
            mock.patch.object(writing.cv2, "VideoWriter") as writer,
            self.assertRaisesRegex(UserError, "0 of 4 frames of .*video.mp4"),
        ):
            writer.side_effect = lambda name, *_: pathlib.Path(name).touch() or mock.MagicMock()
            writing.write_video(path, frames, 12)
        self.assertEmpty(list(path.parent.iterdir()))


if __name__ == "__main__":
    tf.test.main()
