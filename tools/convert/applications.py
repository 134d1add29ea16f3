"""Weights of keras.applications by the names of their layers, from a file or from the internet."""

import pathlib
import re
import zipfile

import h5py
import keras
import numpy as np

from spl_tf.errors import UserError
from spl_tf.models.weight_files import ERRORS, require_own_content

_VARIABLES = {1: ("kernel",), 2: ("kernel", "bias"), 4: ("gamma", "beta", "moving_mean", "moving_variance")}
_LAYER = re.compile(r"conv\d.*_(conv|bn)")


def read_weights(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads a file that Keras wrote, with or without a classifier, also inside a larger model.

    Args:
      path: `.weights.h5` of Keras 3, `.h5` of any Keras, or a `.keras` model.

    Returns:
      Values by layer and variable, e.g. "conv2_block1_1_conv/kernel".

    Raises:
      UserError: the file is missing, damaged or none of Keras.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist: --weights names a file that Keras wrote, or imagenet")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as opened:
                weights = _read(opened, path.stat().st_size)
        else:
            weights = _read(path, path.stat().st_size)
    except ERRORS as error:
        raise UserError(f"{path} is damaged or no file of Keras ({error}): copy it again") from error
    if not weights:
        raise UserError(f"{path} has no names of layers: save it again with model.save_weights of a newer Keras")
    return weights


def _read(file, num_bytes: int) -> dict[str, np.ndarray]:
    weights = {}

    def keep(path: str, item: h5py.Dataset | h5py.Group) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        *folders, variable = path.split("/")
        if folders and folders[-1] == "vars":  # Keras 3: numbered, the layer's name is an attribute.
            names = _VARIABLES.get(len(item.parent), ())
            if "name" in item.parent.attrs and variable.isdigit() and int(variable) < len(names):
                weights[f"{item.parent.attrs['name']}/{names[int(variable)]}"] = item[()]
        elif folders:  # Older: folders of the model, the layer and the variable's own, perhaps with a number.
            layer = next((folder for folder in folders if _LAYER.fullmatch(folder)), folders[-1])
            weights[f"{layer}/{variable.split(':')[0]}"] = item[()]

    with h5py.File(file, "r") as opened:
        require_own_content(opened, num_bytes)
        opened.visititems(keep)
    return weights


def download_imagenet(depth: int) -> dict[str, np.ndarray]:
    """Weights of ResNet50 or ResNet101 trained on ImageNet, kept by Keras in its cache; see `read_weights`.

    Raises:
      UserError: they can't be fetched.
    """
    build = {50: keras.applications.ResNet50, 101: keras.applications.ResNet101}[depth]
    try:
        network = build(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises nothing narrower.
        if "URL fetch failure" not in str(error):
            raise
        raise UserError(f"{error}: download the file elsewhere and give it with --weights") from error
    return {
        f"{layer.name}/{variable.name}": keras.ops.convert_to_numpy(variable)
        for layer in network.layers
        for variable in layer.weights
    }
