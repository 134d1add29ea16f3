"""Process-wide state of the tests: two logical CPUs, and Keras' globals put back after each test."""

import os

import spl_tf  # noqa: F401  Before TensorFlow, which reads the environment it sets.

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import gc
import pathlib
import shutil
from collections.abc import Sequence
from unittest import mock

import cv2
import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags

from spl_tf import (
    configurables,  # noqa: F401  Registers everything a gin file may name.
)
from spl_tf.data.building.shards import write_shards
from spl_tf.hardware.memory import forget_networks
from spl_tf.inference.features import ClipFeatures
from spl_tf.inference.trained_model import ClipInput, save_trained
from spl_tf.training import board
from tests import tiny_network  # noqa: F401  Likewise.
from tests.trained_teacher import train_teacher

flags.FLAGS.mark_as_parsed()  # create_tempdir asks absl for the folder.

# Must come before any op runs: MirroredStrategy over two replicas is tested on a machine without accelerators.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


# What was imported is never freed: nothing is gained by looking through it again each time networks are forgotten.
gc.freeze()


# A file is run by one worker: the longest first, so that none is left with one of them at the end.
LONGEST = (
    "test_stage.py",
    "test_interrupted_stage.py",
    "test_study_run.py",
    "test_recipe_steps.py",
    "test_components.py",
    "test_recipe.py",
    "test_multi_label.py",
    "test_saved_model.py",
)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(autouse=True)
def _fresh_process_state():
    yield
    keras.mixed_precision.set_dtype_policy("float32")
    keras.utils.clear_session(free_memory=False)
    gin.clear_config()


@pytest.fixture(autouse=True)
def _no_pictures(request):
    if request.node.get_closest_marker("pictures"):
        yield
        return
    with mock.patch.object(board, "_picture", return_value=np.zeros([1, 1, 1, 3], np.uint8)):
        yield


@pytest.fixture(autouse=True, scope="module")
def _forgotten_networks():
    yield
    forget_networks()


COLORS = {"red": (40, 40, 200), "green": (40, 200, 40), "blue": (200, 40, 40)}  # BGR, as OpenCV writes it


def _write_video(path: pathlib.Path, colors: list[str], generator: np.random.Generator) -> None:
    """One frame a colour at 10 frames per second, with noise and a brightness of its own."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (32, 32))
    brightness = generator.uniform(0.6, 1.2)
    for color in colors:
        picture = np.array(COLORS[color]) * brightness + generator.normal(0, 20, (32, 32, 3))
        writer.write(np.clip(picture, 0, 255).astype(np.uint8))
    writer.release()


@pytest.fixture(scope="session")
def color_videos(tmp_path_factory) -> pathlib.Path:
    """A folder with the paper's problem in small: classes are colours, a web video shows its query half of the time.

    `classes.txt`, `target.csv` and `test.csv` (path, label; 4 videos a class of 8 frames),
    `web.csv` (path, query; 4 videos a class of 48 frames).
    """
    folder = tmp_path_factory.mktemp("color_videos")
    generator = np.random.default_rng(0)
    (folder / "classes.txt").write_text("\n".join(COLORS) + "\n")
    for name, column in (("target", "label"), ("test", "label"), ("web", "query")):
        rows = [f"path,{column}"]
        for color in COLORS:
            for number in range(4):
                path = f"{name}_{color}{number}.mp4"
                shots = [color] * 8
                if name == "web":
                    shots = [
                        shot for other in generator.permutation([color] * 3 + list(COLORS)) for shot in [other] * 8
                    ]
                _write_video(folder / path, shots, generator)
                rows.append(f"{path},{color}")
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="session")
def color_shards(color_videos, tmp_path_factory) -> pathlib.Path:
    """Folders `target`, `test` and `web` of shards of `color_videos`; web clips have 8 frames."""
    folder = tmp_path_factory.mktemp("color_shards")
    for name, column, seconds in (("target", "label", 0.0), ("test", "label", 0.0), ("web", "query", 0.8)):
        write_shards(
            color_videos / f"{name}.csv",
            folder / name,
            classes=tuple(COLORS),
            label_column=column,
            clip_seconds=seconds,
            fps=10,
            short_side=32,
            num_shards=3,
        )
    return folder


# The smallest network and run that all tests of training share.
TINY = (
    "train_stage.backbone = @tiny_network",
    "train_stage.num_frames = 4",
    "train_stage.frame_stride = 2",
    "train_stage.crop_size = 28",
    "train_stage.batch_size = 4",
    "train_stage.epochs = 4",
    "train_stage.optimizer = @SGD",
    "SGD.momentum = 0.9",
    "train_stage.learning_rate = @warmup_cosine",
    "warmup_cosine.peak = 0.05",
    "training_clips.hue = 0.0",
    "pretrain/classifier.projection_units = 16",
)


@pytest.fixture(scope="session")
def tiny_bindings() -> tuple[str, ...]:
    """A process of its own needs `--gin_import=tests.tiny_network` for them."""
    return TINY


@pytest.fixture(scope="session")
def tiny_resnet_bindings(tiny_bindings) -> tuple[str, ...]:
    """The same, but with a small network of the package."""
    network = "train_stage.backbone = @resnet3d", "resnet3d.depth = 10", "resnet3d.width_multiplier = 0.125"
    return (*tiny_bindings, *network)


@pytest.fixture(scope="session")
def colour_stage(color_shards, tmp_path_factory) -> pathlib.Path:
    """Folder of a teacher trained until it knows the target colours, 60 steps in float32; not to be changed."""
    bindings = *TINY, "train_stage.epochs = 20", "classifier.dropout = 0.0"
    return train_teacher(tmp_path_factory.mktemp("colour_stage") / "teacher", color_shards / "target", bindings)


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window. Tests that ask for it skip where it is not installed."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Which Chromium refuses to set up for root.
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as opened:
        yield opened


def _make_features(
    features: np.ndarray,
    labels: Sequence[int],
    *,
    scores: np.ndarray | None = None,
    clip_ids: Sequence[str] | None = None,
    sizes: Sequence[int] = (),
) -> ClipFeatures:
    """Arrays in the form of files; `sizes` are clips of the first shards, the rest is the last."""
    labels = np.asarray(labels, np.int32)
    scores = np.eye(labels.max() + 1)[labels] if scores is None else scores
    clip_ids = [f"clip{row}" for row in range(len(labels))] if clip_ids is None else clip_ids
    table = np.empty(len(labels), [("clip_id", "S20"), ("label", "<i4"), ("scores", "<f4", (scores.shape[1],))])
    table["clip_id"], table["label"], table["scores"] = [name.encode() for name in clip_ids], labels, scores
    ends = np.cumsum(sizes)
    return ClipFeatures(np.split(table, ends), np.split(np.asarray(features, np.float16), ends))


@pytest.fixture(scope="session")
def make_features():
    return _make_features


@pytest.fixture(scope="session")
def colour_teacher(tmp_path_factory) -> pathlib.Path:
    """Folder of a teacher that knows the colours of `color_shards` by their mean over the pixels; never trained."""
    folder = tmp_path_factory.mktemp("colour_teacher")
    clips = keras.Input((4, 28, 28, 3))
    mean = keras.layers.GlobalAveragePooling3D()(clips)
    features = keras.layers.Dense(12, activation="relu", kernel_initializer=keras.initializers.GlorotUniform(3))(mean)
    logits = keras.layers.Dense(3, kernel_initializer="identity", name="logits")(mean)
    logits = keras.layers.Rescaling(2.0)(logits)
    network = keras.Model(clips, {"features": features, "logits": logits})
    save_trained(folder, network, ("red", "green", "blue"), ClipInput(4, 2, 28, short_side=32, fps=10.0))
    return folder
