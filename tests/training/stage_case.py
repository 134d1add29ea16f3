"""Tiny stages on the coloured videos; a finished one of some bindings is trained once for all tests of a process."""

import pathlib
import shutil
import tempfile

import gin
import keras
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.training.stage import train_stage

# Bindings -> folder.
_finished = {}


class StageCase(parameterized.TestCase, tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, color_shards, tiny_bindings):
        self.shards, self.bindings = color_shards, tiny_bindings

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def train(self, name="m", stage="teacher", bindings=(), **arguments):
        keras.utils.clear_session(free_memory=False)  # Layers are numbered by process.
        configuration.parse([], [*self.bindings, *bindings])
        with gin.config_scope(stage):
            return train_stage(stage, self.folder / name, train_shards=self.shards / "target", **arguments)

    def trained(self, *bindings):
        """The folder of a finished run that tests share and don't change."""
        if bindings not in _finished:
            _finished[bindings] = pathlib.Path(tempfile.mkdtemp(dir=self.shards)) / "m"
            self.train(_finished[bindings], bindings=bindings)
        return _finished[bindings]

    def copied(self, *bindings):
        """Likewise, but to be changed."""
        return shutil.copytree(self.trained(*bindings), self.folder / "m")
