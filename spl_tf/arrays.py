"""Arrays of numpy on disk, read only when the file is as large as it says."""

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from spl_tf import files
from spl_tf.errors import UserError

# What numpy and zipfile raise for damaged files.
_ERRORS = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, OverflowError, SyntaxError, NotImplementedError),
    *(RuntimeError, tokenize.TokenError, struct.error, zlib.error, zipfile.BadZipFile),
)


def map_array(path: files.Path, remedy: str) -> np.ndarray:
    """An array of numpy.save, mapped from its file.

    Raises:
      UserError: the file is missing, no regular file, damaged, or shorter than it says.
    """
    files.require_regular(path, remedy)
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(mapped, np.ndarray):
            raise ValueError("several arrays")
    except _ERRORS as error:
        raise UserError(f"{path} is damaged or no array ({error}): {remedy}") from error
    return mapped


def read_arrays(
    path: files.Path, wanted: Mapping[str, np.dtype | type], shape: tuple[int, ...], remedy: str
) -> dict[str, np.ndarray]:
    """Arrays of numpy.savez_compressed, of which name, type and shape are known before they are unpacked.

    Raises:
      UserError: the file is missing, no regular file or damaged, or holds other arrays than the wanted ones.
    """
    with files.open_regular(path, remedy) as opened:
        try:
            with zipfile.ZipFile(opened) as archive:
                return {name: _member(archive, f"{name}.npy", np.dtype(kind), shape) for name, kind in wanted.items()}
        except _ERRORS as error:
            raise UserError(f"{path} is damaged or no such arrays ({error}): {remedy}") from error


def _member(archive: zipfile.ZipFile, name: str, kind: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    with archive.open(name) as member:
        major, _ = np.lib.format.read_magic(member)
        read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        found_shape, in_columns, found_kind = read_header(member)
        if found_kind != kind or found_shape != shape:
            raise ValueError(f"{name} is {found_kind} {found_shape}, not {kind} {shape}")
        num_bytes = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
        content = member.read(num_bytes + 1)  # One more: at the member's end its checksum is compared.
    if len(content) != num_bytes:
        raise ValueError(f"{name} has another length than it says")
    values = np.frombuffer(content, kind).reshape(shape, order="F" if in_columns else "C")
    return values.copy(order="K")  # One that can be written to, as of np.load.
