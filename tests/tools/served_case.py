"""A small network with scores far from equal, exported and served on the loopback with both protocols."""

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.data.building.shards import write_shards
from spl_tf.inference.saved_model import export_model
from spl_tf.inference.trained_model import ClipInput, save_trained
from spl_tf.models.classifier import classifier
from spl_tf.models.resnet3d import resnet3d
from tests import serving_server

# More classes than the client prints.
CLASSES = ("red", "green", "blue", "cyan", "magenta", "yellow", "black")
CLIP_INPUT = ClipInput(4, 2, 28, short_side=32, fps=10.0)


def _write_video(path):
    """2.5 seconds at 20 frames per second in which two blots of changing colour cross."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 20, (56, 44))
    for moment in range(50):
        picture = np.full((44, 56, 3), (40, 60 + 3 * moment, 200 - 3 * moment), np.uint8)
        cv2.circle(picture, (8 + moment, 20), 9, (240, 5 * moment, 30), -1)
        cv2.circle(picture, (28, 44 - moment), 6, (20, 230, 250 - 5 * moment), -1)
        writer.write(picture)
    writer.release()


def _write_model(folder):
    """An untrained network with scores far from equal."""
    keras.utils.set_random_seed(0)
    network = classifier(resnet3d(depth=10, width_multiplier=0.125, folded=True), len(CLASSES), seed=3)
    clips = np.random.default_rng(0).normal(size=(4, 4, 28, 28, 3))
    *others, kernel, bias = network.get_weights()
    network.set_weights([*others, 2 / np.std(network(clips)["logits"]) * kernel, bias])
    save_trained(folder, network, CLASSES, CLIP_INPUT)


class ServedCase(parameterized.TestCase, tf.test.TestCase):
    """Import the module, not the name: what a test file names is collected, and its fixtures are made once more."""

    @pytest.fixture(scope="class")
    def served(self, tmp_path_factory):
        """Folder of a video and of everything made for it, and the server's addresses."""
        folder = tmp_path_factory.mktemp("served")
        _write_video(folder / "blots.mp4")
        (folder / "videos.csv").write_text("path,label\nblots.mp4,red\n")
        write_shards(
            folder / "videos.csv",
            folder / "shards",
            classes=CLASSES,
            clip_seconds=1.0,
            fps=10,
            short_side=32,
            num_shards=1,
            workers=1,
        )
        _write_model(folder / "trained")
        export_model(folder / "trained", folder / "spl_tf")
        with serving_server.serving(folder / "spl_tf", "spl_tf") as addresses:
            yield folder, addresses

    @pytest.fixture(autouse=True)
    def _served(self, served):
        self.folder, self.addresses = served

    def require_client(self, protocol):
        if protocol == "grpc" and self.addresses.grpc is None:
            self.skipTest("tensorflow-serving-api is not installed")
