"""For --gin_import: a process with as many logical CPUs as LOGICAL_CPUS says, each a replica of `mirrored`."""

import os

import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * int(os.environ["LOGICAL_CPUS"]),
)
