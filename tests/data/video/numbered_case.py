"""A folder for videos whose frames say their number."""

import pathlib

import pytest
import tensorflow as tf
from absl.testing import parameterized


class NumberedCase(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _numbered(self, numbered_videos):
        self.numbered = numbered_videos

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
