"""docs/python.md: every example does what it says, and a notebook's first import is light."""

import doctest
import os
import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf

import spl_tf
from spl_tf.data.dataset import load_dataset
from spl_tf.inference.trained_model import ClipInput, save_trained
from spl_tf.models.normalization import FusedBatchNorm

ROOT = pathlib.Path(__file__).parents[1]


class PythonPageTest(tf.test.TestCase):
    @pytest.fixture(autouse=True)
    def _folders(self, color_videos, color_shards, tmp_path, monkeypatch):
        (tmp_path / "videos").symlink_to(color_videos)
        (tmp_path / "shards").symlink_to(color_shards)
        network = spl_tf.models.classifier(spl_tf.models.resnet3d(10, width_multiplier=0.125, folded=True), 3)
        view = ClipInput(num_frames=4, frame_stride=2, crop_size=28, short_side=32, fps=10.0)
        save_trained(tmp_path / "teacher", network, load_dataset(color_shards / "test").classes, view)
        monkeypatch.chdir(tmp_path)

    def test_every_example_of_the_page(self):
        found = doctest.testfile(str(ROOT / "docs" / "python.md"), module_relative=False)
        self.assertGreater(found.attempted, 20)
        self.assertEqual(found.failed, 0)


class PublicNamesTest(tf.test.TestCase):
    def test_losses_and_metrics_are_functions(self):
        for module in (spl_tf.losses, spl_tf.metrics):
            for name in module.__all__:
                self.assertTrue(callable(getattr(module, name)), name)

    def test_builders_stand_where_their_modules_do(self):
        import spl_tf.models.resnet3d

        self.assertIs(spl_tf.models.resnet3d, sys.modules["spl_tf.models.resnet3d"].resnet3d)
        for name in spl_tf.models.__all__:
            self.assertTrue(callable(getattr(spl_tf.models, name)), name)
        self.assertIs(spl_tf.models.FusedBatchNorm, FusedBatchNorm)
        with self.assertRaisesRegex(AttributeError, "no attribute 'resnet4d'"):
            _ = spl_tf.resnet4d

    def test_labels_are_imported_without_tensorflow_or_matplotlib(self):
        code = (
            "import sys, spl_tf, numpy; spl_tf.labels.spl_b(numpy.eye(2, dtype=int), ('a', 'b')); "
            "print([name for name in ('tensorflow', 'keras', 'matplotlib', 'cv2') if name in sys.modules])"
        )
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        printed = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
        )
        self.assertEqual(printed.stdout.strip(), "[]")


if __name__ == "__main__":
    tf.test.main()
