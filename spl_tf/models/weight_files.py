"""Files of weights, looked at before they are believed: nothing in them leads to another file or grows when it is read.

HDF5 keeps data sets in other files if it is told to, and a few bytes may stand for terabytes; a zip holds more than its
size. The files of this package and of Keras need neither: every number is stored where it belongs, as it is.
"""

import zipfile

import h5py

from spl_tf import files
from spl_tf.errors import UserError

_WEIGHTS = "model.weights.h5"
_MEMBERS = ["config.json", "metadata.json", _WEIGHTS]

# What zipfile and h5py raise for damaged files.
ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, EOFError, NotImplementedError, zipfile.BadZipFile)


def require_own_content(opened: h5py.File, num_bytes: int) -> None:
    """Looks at every link and the head of every data set of an HDF5 file; no content is read.

    Args:
      opened: the file.
      num_bytes: its size.

    Raises:
      ValueError: a link or a data set leads to another file, or data sets are larger than what is stored of them.
    """
    total = 0

    def fault_of_link(name: str, link: object) -> str | None:
        return None if isinstance(link, h5py.HardLink) else f"{name} leads elsewhere"

    def fault_of_content(name: str, item: h5py.Group | h5py.Dataset) -> str | None:
        nonlocal total
        if not isinstance(item, h5py.Dataset):
            return None
        if item.external or item.is_virtual:
            return f"the content of {name} lies in another file"
        if item.shape is None or item.dtype.kind == "O":
            return f"{name} holds no numbers"
        stored = item.id.get_storage_size()
        total += stored
        too_large = item.nbytes > stored or total > num_bytes
        return f"{name} is said to have {item.nbytes:,} bytes, the file does not hold them" if too_large else None

    # A visit ends at the first answer; what is raised inside of one h5py may lose.
    if fault := opened.visititems_links(fault_of_link) or opened.visititems(fault_of_content):
        raise ValueError(fault)


def require_sound_weights(path: files.Path, remedy: str) -> None:
    """Checks an HDF5 file of weights.

    Raises:
      UserError: it is missing, no regular file, damaged, or as `require_own_content`.
    """
    with files.open_regular(path, remedy) as content:
        num_bytes = content.seek(0, 2)
        try:
            with h5py.File(content, "r") as opened:
                require_own_content(opened, num_bytes)
        except ERRORS as error:
            raise UserError(f"{path} is damaged or no file of weights ({error}): {remedy}") from error


def require_sound_model(path: files.Path, remedy: str) -> None:
    """Checks a `.keras` file: its three members by name and size, and the weights among them.

    Raises:
      UserError: it is missing, no regular file, damaged, or holds anything else or more than its size.
    """
    with files.open_regular(path, remedy) as content:
        num_bytes = content.seek(0, 2)
        try:
            with zipfile.ZipFile(content) as archive:
                members = archive.infolist()
                if sorted(member.filename for member in members) != _MEMBERS:
                    raise ValueError(f"it holds other members than {', '.join(_MEMBERS)}")
                if sum(member.file_size for member in members) > num_bytes:
                    raise ValueError("its members are larger than the file")
                with archive.open(_WEIGHTS) as weights, h5py.File(weights, "r") as opened:
                    require_own_content(opened, num_bytes)
        except ERRORS as error:
            raise UserError(f"{path} is damaged or no model ({error}): {remedy}") from error
