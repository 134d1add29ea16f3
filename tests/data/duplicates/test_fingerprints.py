"""What is kept of a video: its pictures, without bars, and whether it is whole; and the files of many."""

import pathlib

import numpy as np
from absl.testing import parameterized

from spl_tf.data.duplicates import fingerprint_files
from spl_tf.data.duplicates.fingerprint_files import make_fingerprints
from spl_tf.data.duplicates.fingerprints import RATE, SIDE, Interval, fingerprint
from spl_tf.data.video.reader import VideoReader
from spl_tf.data.workers import Failure
from tests.data.duplicates.film_case import INFINITY, FilmCase, in_this_process


class FingerprintsTest(FilmCase):
    def test_pictures_are_means_around_four_moments_of_each_second(self):
        levels = np.arange(20, 20 + 2 * 96, 2)  # Frame i is 20 + 2 i grey, five frames a picture.
        frames = np.broadcast_to(levels[:, None, None, None], (96, 48, 64, 3)).astype(np.uint8)
        made = self.fingerprint(frames)
        self.assertEqual((made.pictures.shape, made.pictures.dtype), ((19, SIDE, SIDE), np.uint8))
        middles = (np.arange(19) + 0.5) * 20.0 / RATE - 0.5
        self.assertAllClose(made.pictures.mean(axis=(1, 2))[1:-1], 20 + 2 * middles[1:-1], atol=2)
        self.assertFalse(made.is_damaged)

    def test_a_piece_has_the_same_pictures_wherever_it_lies(self):
        before, piece = self.films.film(1, 230), self.films.film(2, 200)
        alone, inside = (self.fingerprint(frames, codec="MJPG") for frames in (piece, np.concatenate([before, piece])))
        self.assertAllClose(inside.pictures[46 + 1 : -1], alone.pictures[1:-1], atol=4)

    def test_a_folder_of_frames_is_the_video_it_was_cut_from(self):
        film = self.films.film(1, 60)
        folder = fingerprint(Interval(self.write_frames("frames", film), 0.0, INFINITY, 20.0))
        self.assertAllClose(folder.pictures, self.fingerprint(film, codec="MJPG").pictures, atol=6)

    def test_an_interval_is_that_part_alone(self):
        first, second = self.films.film(1, 40), self.films.film(2, 40)
        whole = self.films.write(self.folder / "whole.avi", np.concatenate([first, second]), codec="MJPG")
        part = fingerprint(Interval(whole, 2.0, 4.0))
        self.assertAllClose(part.pictures, self.fingerprint(second, codec="MJPG").pictures, atol=4)

    def test_what_is_shorter_than_its_header_says_or_has_damaged_packets_is_damaged(self):
        path = self.films.write(self.folder / "v.mp4", self.films.film(1, 100))
        whole = fingerprint(Interval(path, 0.0, INFINITY))
        content = bytearray(pathlib.Path(path).read_bytes())
        content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
        (self.folder / "flipped.mp4").write_bytes(content)
        flipped = fingerprint(Interval(str(self.folder / "flipped.mp4"), 0.0, INFINITY))
        constructor = VideoReader.__init__

        def promising(reader, path):
            constructor(reader, path)
            reader.promised_us = 9_000_000

        self.monkeypatch.setattr(VideoReader, "__init__", promising)
        short, inside = (fingerprint(Interval(path, 0.0, end)) for end in (INFINITY, 4.0))
        self.assertAllEqual(short.pictures, whole.pictures)
        made = (whole, flipped, short, inside)
        self.assertEqual([one.is_damaged for one in made], [False, True, True, False])

    def test_white_bars_are_cut_off_and_black_ones_inside_them(self):
        film = self.films.film(1, 60)
        barred = np.pad(film, ((0, 0), (20, 20), (0, 0), (0, 0)))
        barred = np.pad(barred, ((0, 0), (0, 0), (16, 24), (0, 0)), constant_values=255)
        plain, unbarred = (self.fingerprint(frames).pictures.astype(float) for frames in (film, barred))
        self.assertLess(np.abs(plain - unbarred).mean(), 4)

    @parameterized.parameters((1.0, 40), (0.5, 64))
    def test_grey_bars_of_a_brighter_or_paler_copy_are_cut_off(self, gain, offset):
        film = self.films.film(1, 60)
        copy = (np.pad(film, ((0, 0), (20, 20), (0, 0), (0, 0))) * gain + offset).clip(0, 255).astype(np.uint8)
        plain, unbarred = (self.fingerprint(frames).pictures.astype(float) for frames in (film, copy))
        self.assertLess(np.abs(plain * gain + offset - unbarred).mean(), 5)

    def test_black_bars_are_cut_off_but_not_a_scene_that_fades_to_black(self):
        film = self.films.film(1, 32)
        barred = np.pad(film, ((0, 0), (20, 20), (0, 0), (0, 0)))
        faded = (film * np.clip(np.arange(160) / 100, 0, 1)[:, None]).astype(np.uint8)
        plain, unbarred, dark = (
            self.fingerprint(frames, codec="MJPG").pictures.astype(float) for frames in (film, barred, faded)
        )
        self.assertLess(np.abs(plain - unbarred).mean(), 4)
        self.assertLess(dark[:, :, :2].mean(), 20)

    @parameterized.parameters(20, 60, 160, 340)
    def test_a_card_in_front_does_not_hide_the_bars_behind_it(self, length):
        film = self.films.film(1, 200)
        card = np.full((length, 160, 160, 3), 200, np.uint8)
        barred = np.concatenate([card, np.pad(film, ((0, 0), (20, 20), (0, 0), (0, 0)))])
        plain, behind = (self.fingerprint(frames).pictures.astype(float) for frames in (film, barred))
        begin = length * RATE // 20
        self.assertLess(np.abs(plain - behind[begin:])[1:].max(axis=0).mean(), 12)

    def test_a_moment_of_darkness_is_no_bar(self):
        film = self.films.film(1, 200)
        film[80:120, :30] = 0
        self.assertLess(self.fingerprint(film, codec="MJPG").pictures[18:22, :3].max(), 20)

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
            self.assertAllEqual(made[position], fingerprint(interval).pictures)
        self.assertEqual([len(chunk.starts) - 1 for chunk in made.chunks], [3, 1])
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
        self.assertEqual([len(made[place]) for place in range(3)], [2, 0, 2])
        self.assertEqual([round(made[place].mean() / 10) for place in (0, 2)], [0, 9])
        self.assertEqual(asked, [["black", "text", "grey"], ["text", "grey"]])

    @parameterized.parameters(".npy", ".npz")
    def test_changed_and_cut_files_are_made_anew(self, suffix):
        interval = Interval(self.films.write(self.folder / "v.mp4", self.films.film(1, 40)), 0.0, INFINITY)
        self.monkeypatch.setattr(fingerprint_files, "run_in_workers", in_this_process)
        right = np.array(make_fingerprints([interval], self.folder / "F", 1, 10.0)[0])
        (path,) = (self.folder / "F").glob(f"*{suffix}")
        whole = path.read_bytes()
        for changed in (whole[: len(whole) // 2], whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], b""):
            path.write_bytes(changed)
            made = make_fingerprints([interval], self.folder / "F", 1, 10.0)
            self.assertAllEqual(made[0], right)
            self.assertEqual((made.is_made.tolist(), path.read_bytes()), ([True], whole))
