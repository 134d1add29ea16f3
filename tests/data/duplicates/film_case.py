"""Films in a folder of their own, as video files and as folders of frames, and their fingerprints."""

import pathlib

import cv2
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.duplicates.fingerprints import Fingerprint, Interval, fingerprint

INFINITY = float("inf")


def in_this_process(function, jobs, **_):
    """Stands in for `run_in_workers`."""
    return map(function, jobs)


class FilmCase(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, films, monkeypatch):
        self.films, self.monkeypatch = films, monkeypatch

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def fingerprint(self, frames, **options) -> Fingerprint:
        """Of a file of these frames, see `films.write`."""
        suffix = ".avi" if "codec" in options else ".mp4"
        path = self.folder / f"film{len(list(self.folder.iterdir()))}{suffix}"
        return fingerprint(Interval(self.films.write(path, frames, **options), 0.0, INFINITY))

    def write_frames(self, name, frames) -> str:
        """A folder of the frames."""
        (self.folder / name).mkdir()
        for number, frame in enumerate(frames):
            cv2.imwrite(str(self.folder / name / f"img_{number:05d}.jpg"), frame)
        return str(self.folder / name)
