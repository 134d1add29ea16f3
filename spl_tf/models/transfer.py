"""Backbone weights between stages: an HDF5 file with one data set per variable, matched by path."""

import dataclasses
import hashlib
from collections.abc import Mapping

import h5py
import keras
import numpy as np

from spl_tf import checksums, files
from spl_tf.errors import UserError
from spl_tf.models.weight_files import ERRORS, require_own_content

FORMAT_VERSION = 1
_VERSION_KEY = "spl_tf_backbone_format"
# Of the variables: the file is copied from folder to folder, away from the list of checksums it was written with.
_SHA256_KEY = "spl_tf_backbone_sha256"


@dataclasses.dataclass(frozen=True)
class TransferReport:
    """What became of each variable, by path such as `res2_block1_conv1/kernel`.

    Attributes:
      matched: loaded.
      missing: in the backbone, not in the file.
      unexpected: in the file, not in the backbone.
      mismatched: in both, with different shapes.
    """

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{len(self.matched)} variables matched, {len(self.missing)} missing, "
            f"{len(self.unexpected)} unexpected, {len(self.mismatched)} of another shape"
        )


def save_backbone_weights(backbone: keras.Model, path: files.Path) -> None:
    """Writes all weights of a backbone, moving statistics included; the file is whole or absent."""
    with files.atomic_path(path) as temporary, h5py.File(temporary, "w") as opened:
        weights = {variable.path: keras.ops.convert_to_numpy(variable) for variable in backbone.weights}
        opened.attrs[_VERSION_KEY] = FORMAT_VERSION
        opened.attrs[_SHA256_KEY] = _sha256(weights)
        for name, values in weights.items():
            opened.create_dataset(name, data=values)


def load_backbone_weights(backbone: keras.Model, path: files.Path, *, allow_unmatched: bool = False) -> TransferReport:
    """Loads the weights `save_backbone_weights` wrote into a backbone, by variable path.

    Args:
      backbone: its head, if it has one by now, is not touched.
      path: the file.
      allow_unmatched: load what matches and only report the rest.

    Raises:
      UserError: the file is missing, damaged or no file of ours, or, unless
        allowed, a variable is missing, unexpected or of another shape. The
        backbone is unchanged then.
    """
    stored = read_backbone_weights(path)
    try:
        return assign_weights(backbone, stored, allow_unmatched=allow_unmatched)
    except UserError as error:
        raise UserError(
            f"{path}: {error}: give the backbone the options the file was trained with, or allow unmatched variables"
        ) from error


def assign_weights(
    network: keras.Model, weights: Mapping[str, np.ndarray], *, allow_unmatched: bool = False
) -> TransferReport:
    """Sets the weights of a network by variable path.

    Raises:
      UserError: unless allowed, a variable is missing, unexpected or of another
        shape. The network is unchanged then.
    """
    variables = {variable.path: variable for variable in network.weights}
    common = [name for name in variables if name in weights]
    report = TransferReport(
        matched=tuple(name for name in common if weights[name].shape == variables[name].shape),
        missing=tuple(name for name in variables if name not in weights),
        unexpected=tuple(name for name in weights if name not in variables),
        mismatched=tuple(name for name in common if weights[name].shape != variables[name].shape),
    )
    if not allow_unmatched and len(report.matched) < len(variables.keys() | weights.keys()):
        raise UserError(f"the weights do not fit the network ({report}; {_examples(report)})")
    for name in report.matched:
        variables[name].assign(weights[name])
    return report


def read_backbone_weights(path: files.Path) -> dict[str, np.ndarray]:
    """All variables of a file `save_backbone_weights` wrote, by path.

    Raises:
      UserError: the file is missing, damaged or no file of ours.
    """
    stored = {}

    def keep(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            stored[name] = item[()]

    with files.open_regular(path, "name the backbone weights of a finished training stage") as content:
        num_bytes = content.seek(0, 2)
    try:
        with h5py.File(path, "r") as opened:
            require_own_content(opened, num_bytes)
            version, sha256 = opened.attrs.get(_VERSION_KEY), opened.attrs.get(_SHA256_KEY)
            opened.visititems(keep)
    except ERRORS as error:
        raise UserError(f"{path} is damaged or not an HDF5 file ({error}): train its stage again") from error
    if not np.array_equal(version, FORMAT_VERSION):
        raise UserError(
            f"{path} has backbone format {version}, not {FORMAT_VERSION}: name a file that spl_tf.train wrote"
        )
    if sha256 is None:
        checksums.tell_unchecked(path, "no checksum: it is")
    elif sha256 != _sha256(stored):
        raise UserError(f"{path} is damaged (its weights have another checksum than it says): copy it again")
    return stored


def _sha256(weights: Mapping[str, np.ndarray]) -> str:
    found = hashlib.sha256()
    for name in sorted(weights):
        found.update(f"{name} {weights[name].dtype} {weights[name].shape}\n".encode())
        found.update(weights[name].tobytes())
    return found.hexdigest()


def _examples(report: TransferReport) -> str:
    """A few variables of each unmatched kind."""
    kinds = {"missing": report.missing, "unexpected": report.unexpected, "other shape": report.mismatched}
    return "; ".join(f"{kind}: {', '.join(names[:3])}" for kind, names in kinds.items() if names)
