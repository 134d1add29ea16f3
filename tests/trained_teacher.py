"""A teacher that several fixtures train."""

import pathlib
from collections.abc import Sequence

import gin
import keras

from spl_tf import configuration
from spl_tf.training.stage import train_stage


def train_teacher(folder: pathlib.Path, shards: pathlib.Path, bindings: Sequence[str]) -> pathlib.Path:
    """The folder of a teacher trained in float32."""
    configuration.parse([], [*bindings, "train_stage.precision = 'float32'"])
    with gin.config_scope("teacher"):
        train_stage("teacher", folder, train_shards=shards)
    gin.clear_config()
    keras.utils.clear_session(free_memory=False)
    return folder
