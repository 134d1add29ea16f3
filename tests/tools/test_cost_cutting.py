"""The cost of cutting: the model finds what made its runs, and a manifest's estimate is worked out by hand."""

import csv
import dataclasses
import pathlib
from unittest import mock

import cv2
import numpy as np
import tensorflow as tf

from tests.commands import assert_mistake, run_command
from tools.cost import cutting, cutting_model
from tools.cost.cutting_model import Run, Work, fitted, left_out_errors, read_runs, typical, work_of
from tools.cost.videos import Measured

# Of a start, a video, a second compared, a megapixel decoded, and one converted or encoded.
_SECONDS = np.array([3.0, 0.1, 0.01, 0.004, 0.02])
# Of a megapixel encoded, and a frame.
_BYTES = np.array([1e5, 500.0])


def _runs():
    generator = np.random.default_rng(0)
    works = [Work(*generator.uniform(10, 1000, 6)) for _ in range(9)]
    return [
        Run(str(i), work, float(_SECONDS @ work.of_seconds()), float(_BYTES @ work.of_bytes()))
        for i, work in enumerate(works)
    ]


class CostCuttingTest(tf.test.TestCase):
    def test_the_model_finds_what_made_its_runs(self):
        model = fitted(_runs())
        self.assertAllClose(model.second_parts, _SECONDS, rtol=1e-6)
        self.assertAllClose(model.byte_parts, _BYTES, rtol=1e-6)
        self.assertAllClose(list(left_out_errors(_runs()).values()), np.zeros((9, 2)), atol=1e-6)

    def test_nothing_costs_less_than_nothing(self):
        runs = [dataclasses.replace(run, seconds=5e3 + run.work.decoded - run.work.encoded) for run in _runs()]
        self.assertGreaterEqual(min(fitted(runs).second_parts), 0)

    def test_an_error_is_that_of_a_run_that_was_not_fitted(self):
        runs = _runs()
        runs[0] = dataclasses.replace(runs[0], seconds=2 * runs[0].seconds)
        self.assertAllClose(left_out_errors(runs)["0"][0], -0.5, atol=1e-6)

    def test_work_of_two_videos_by_hand(self):
        """A video of 25 s, 640 x 480 at 30 frames per second, of which two clips of 10 s are cut; one of 4 s."""
        videos = [Measured(25.0, 640, 480, 30.0, 1), Measured(4.0, 640, 480, 5.0, 1)]
        work = work_of(videos, clip_seconds=10.0, fps=10.0, short_side=240, compares=False)
        megapixels = 640 * 480 / 1e6
        self.assertAllClose(work.decoded, (20 * 30 + 4 * 5) * megapixels)
        self.assertAllClose(work.converted, (20 * 10 + 4 * 5) * megapixels)
        self.assertAllClose(work.encoded, (20 * 10 + 4 * 5) * megapixels / 4)
        self.assertEqual((work.frames, work.compared), (20 * 10 + 4 * 5, 0))
        looked = work_of(videos, clip_seconds=10.0, fps=10.0, short_side=240, compares=True)
        self.assertAllClose(looked.decoded - work.decoded, (25 * 30 + 4 * 5) * megapixels)
        self.assertEqual(looked.compared, 29)

    def test_the_stored_runs_are_told_within_a_third(self):
        """Those of results/cutting_cost.csv, each by a model of all others."""
        errors = np.abs(list(left_out_errors(read_runs()).values()))
        self.assertLess(np.median(errors[:, 0]), 1 / 3)
        self.assertEqual(typical([0.1, -0.3, 0.2]), "20% (at most 30 %)")

    def test_a_manifest_by_hand(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        for number in range(2):
            writer = cv2.VideoWriter(str(folder / f"v{number}.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (80, 60))
            for _ in range(100):
                writer.write(np.zeros((60, 80, 3), np.uint8))
            writer.release()
        with open(folder / "web.csv", "w", newline="") as opened:
            csv.writer(opened).writerows([["path", "query"], ["v0.mp4", "a"], ["v1.mp4", "b"], ["gone.mp4", "b"]])
        flags = [f"--manifest={folder}/web.csv", "--videos=3600000", "--hosts=10", "--cores=2", "--clip_seconds=5"]
        flags += ["--fps=10", "--short_side=60", "--megabytes_per_second=1e9"]
        with mock.patch.object(cutting_model, "read_runs", _runs):
            code, out, err = run_command(cutting, *flags)
        self.assertEqual(code, 0, err)
        videos = 3_600_000 * 2 / 3
        self.assertIn(f"{videos:,.0f} videos", out)
        self.assertIn("headers of 2 of 3 could be read", out)
        self.assertIn(f"{2 * videos:,.0f} clips in", out)
        megapixels = 100 * 80 * 60 / 1e6
        cuts = videos * (0.1 + 0.004 * megapixels + 0.02 * 2 * megapixels)
        self.assertIn(f"cutting {cuts / 20 / 3600:,.1f} hours on 10 hosts, {cuts / 3600:,.0f} core hours", out)
        looks = videos * (0.01 * 10 + 0.004 * megapixels)
        self.assertIn(f"planning {looks / 2 / 3600:,.1f} hours on one host", out)
        self.assertIn("processor time: off by 0% (at most", out)

    def test_a_manifest_without_videos_is_one_line(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "web.csv").write_text("path,query\ngone.mp4,a\n")
        result = run_command(cutting, f"--manifest={folder}/web.csv")
        assert_mistake(result, "none of 1 videos can be read: check its paths")
