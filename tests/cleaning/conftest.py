"""Features without a network, and a teacher without training."""

import pathlib
from collections.abc import Sequence

import keras
import numpy as np
import pytest

from spl_tf.inference.features import ClipFeatures
from spl_tf.inference.trained_model import ClipInput, save_trained


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
