"""Process-wide state of the tests: two logical CPUs, and Keras' globals put back after each test."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import gin
import keras
import pytest
import tensorflow as tf
from absl import flags

flags.FLAGS.mark_as_parsed()  # create_tempdir asks absl for the folder.

# Must come before any op runs: MirroredStrategy over two replicas is tested on a machine without accelerators.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(autouse=True)
def _fresh_process_state():
    yield
    keras.mixed_precision.set_dtype_policy("float32")
    keras.utils.clear_session(free_memory=False)
    gin.clear_config()
