import pathlib

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.duplicates import fingerprint_files
from spl_tf.data.duplicates.fingerprint_files import make_fingerprints
from spl_tf.data.duplicates.fingerprints import MOMENTS, SIDE, Interval, fingerprint
from spl_tf.data.video.reader import VideoReader
from spl_tf.data.workers import Failure

INFINITY = float("inf")


class FingerprintsTest(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, films, monkeypatch):
        self.films, self.monkeypatch = films, monkeypatch

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_pictures_are_means_over_equal_shares_of_the_time(self):
        levels = np.arange(20, 20 + 2 * 96, 2)  # Frame i is 20 + 2 i grey, six frames a moment.
        frames = np.broadcast_to(levels[:, None, None, None], (96, 48, 64, 3)).astype(np.uint8)
        pictures = fingerprint(Interval(self.films.write(self.folder / "v.mp4", frames), 0.0, INFINITY))
        self.assertEqual((pictures.shape, pictures.dtype), ((MOMENTS, SIDE, SIDE), np.uint8))
        self.assertAllClose(pictures.mean(axis=(1, 2)), levels.reshape(MOMENTS, 6).mean(axis=1), atol=2)

    def test_an_interval_is_that_part_alone(self):
        first, second = self.films.film(1, 40), self.films.film(2, 40)
        whole = self.films.write(self.folder / "whole.avi", np.concatenate([first, second]), codec="MJPG")
        alone = self.films.write(self.folder / "alone.avi", second, codec="MJPG")
        part = fingerprint(Interval(whole, 2.0, 4.0))
        self.assertAllClose(part, fingerprint(Interval(alone, 0.0, INFINITY)), atol=4)

    def test_a_header_that_promises_too_much_changes_nothing(self):
        path = self.films.write(self.folder / "v.mp4", self.films.film(1, 40))
        right = fingerprint(Interval(path, 0.0, INFINITY))
        self.monkeypatch.setattr(VideoReader, "duration_us", lambda reader: 3_000_000)
        self.assertAllEqual(fingerprint(Interval(path, 0.0, INFINITY)), right)

    def test_black_bars_are_cut_off_but_not_a_scene_that_fades_to_black(self):
        film = self.films.film(1, 32)
        barred = np.pad(film, ((0, 0), (20, 20), (0, 0), (0, 0)))
        faded = (film * np.clip(np.arange(160) / 100, 0, 1)[:, None]).astype(np.uint8)
        paths = [
            self.films.write(self.folder / f"{number}.avi", frames, codec="MJPG")
            for number, frames in enumerate((film, barred, faded))
        ]
        plain, unbarred, dark = (fingerprint(Interval(path, 0.0, INFINITY)).astype(float) for path in paths)
        self.assertLess(np.abs(plain - unbarred).mean(), 4)
        self.assertLess(dark[:, :, :2].mean(), 20)

    def test_what_cannot_be_decoded_has_none(self):
        (self.folder / "text.mp4").write_text("no video")
        path = self.films.write(self.folder / "v.mp4", self.films.film(1, 8))
        self.assertIsNone(fingerprint(Interval(str(self.folder / "text.mp4"), 0.0, INFINITY)))
        self.assertIsNone(fingerprint(Interval(path, 5.0, 6.0)))

    def test_a_killed_run_goes_on_and_a_changed_file_counts_anew(self):
        paths = [self.films.write(self.folder / f"{seed}.mp4", self.films.film(seed, 8)) for seed in range(4)]
        intervals = [Interval(path, 0.0, INFINITY) for path in paths]
        self.monkeypatch.setattr(fingerprint_files, "_PER_FILE", 3)
        self.monkeypatch.setattr(fingerprint_files, "_SECONDS_BETWEEN_SAVES", 0.0)
        asked = []

        def run(function, jobs, **_):
            asked.append([pathlib.Path(job.path).stem for job in jobs])
            return map(function, jobs)

        def stopped(function, jobs, **_):
            yield from map(function, jobs[:2])
            raise KeyboardInterrupt

        self.monkeypatch.setattr(fingerprint_files, "run_in_workers", stopped)
        with self.assertRaises(KeyboardInterrupt):
            make_fingerprints(intervals, self.folder / "F", 1, 10.0)
        self.monkeypatch.setattr(fingerprint_files, "run_in_workers", run)
        made = make_fingerprints(intervals, self.folder / "F", 1, 10.0)
        for position, interval in enumerate(intervals):
            self.assertAllEqual(made[position], fingerprint(interval))
        self.assertEqual([len(chunk) for chunk in made.chunks], [3, 1])
        self.films.write(self.folder / "3.mp4", self.films.film(7, 9))
        make_fingerprints(intervals, self.folder / "F", 1, 10.0)
        make_fingerprints(intervals, self.folder / "F", 1, 10.0)
        self.assertEqual(asked, [["2", "3"], ["3"], []])

    def test_what_failed_is_tried_again_and_what_was_made_is_not(self):
        for level, name in ((0, "black"), (90, "grey")):
            self.films.write(self.folder / f"{name}.mp4", np.full((8, 48, 64, 3), level, np.uint8))
        (self.folder / "text.mp4").write_text("no video")
        intervals = [Interval(str(self.folder / f"{name}.mp4"), 0.0, INFINITY) for name in ("black", "text", "grey")]
        asked = []

        def run(function, jobs, *, seconds_per_job, **_):
            asked.append([pathlib.Path(job.path).stem for job in jobs])
            for job in jobs:
                late = seconds_per_job < 60 and job.path.endswith("grey.mp4")
                yield Failure(f"no end after {seconds_per_job} s") if late else function(job)

        self.monkeypatch.setattr(fingerprint_files, "run_in_workers", run)
        self.assertAllEqual(make_fingerprints(intervals, self.folder / "F", 1, 30.0).is_made, [True, False, False])
        made = make_fingerprints(intervals, self.folder / "F", 1, 60.0)
        self.assertAllEqual(made.is_made, [True, False, True])
        self.assertEqual([round(made[place].mean() / 10) for place in range(3)], [0, 0, 9])
        self.assertEqual(asked, [["black", "text", "grey"], ["text", "grey"]])
