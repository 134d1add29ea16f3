"""Files that are either whole or absent, and folders that one run at a time writes to."""

import contextlib
import errno
import fcntl
import hashlib
import io
import itertools
import json
import os
import pathlib
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from typing import Any

from spl_tf.errors import UserError
from spl_tf.remote import addresses, mirror
from spl_tf.remote.stores import StoreError

Path = str | os.PathLike[str]

# What a killed process may leave behind, for pathlib's glob and match.
TEMPORARY = ".*.tmp.*"

# Less than the smallest write of the libraries that write our files.
_FULL_BYTES = 64 * 1024

# What systems say that have no hard links.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)

_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe"}


@contextlib.contextmanager
def atomic_path(path: Path, *, first: bool = False) -> Iterator[pathlib.Path]:
    """Yields a temporary name beside `path`; on success it is synced and renamed to `path`.

    On any exception the temporary file is removed and `path` keeps its old content, and so it does with `first` when
    there is one. The folder of `path` is created when missing. In the mirror of a store the file is uploaded at once.

    Raises:
      OSError: with the name of `path` when the temporary file cannot be written or renamed; and ENOSPC, EDQUOT or
        EFBIG when the body failed for want of room. HDF5, Keras and Arrow report that with exceptions of their own.
      UserError: `path` is an address, or the store of its mirror does not take it.
    """
    addresses.require_no_address(path)
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix is kept: matplotlib and Keras choose the format by it.
    # Two hosts that share the folder may have equal process ids.
    temporary = path.with_name(f".{os.uname().nodename}.{os.getpid()}.tmp.{path.name}")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        if first:
            _rename_first(temporary, path)
        else:
            os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError) and str(error.filename) == str(temporary):
            number = error.errno
        else:
            number = _full_disk(path.parent, error)  # Before the next line makes room.
        with contextlib.suppress(OSError):  # Where there can be none, what was raised before says why.
            temporary.unlink()
        if number and isinstance(error, Exception) and not isinstance(error, UserError):
            raise OSError(number, os.strerror(number), str(path)) from error
        raise
    sync(path.parent)
    mirror.upload(path)


def _full_disk(folder: pathlib.Path, error: BaseException) -> int | None:
    """The system's number for why there was no room, by the error's text or by what is left; None for another cause."""
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        if os.strerror(number) in str(error):  # HDF5 cuts the file, and so makes room, before it raises.
            return number
    try:
        return errno.ENOSPC if shutil.disk_usage(folder).free < _FULL_BYTES else None
    except OSError:  # The folder is gone: what the body raised says more.
        return None


def sync(path: Path) -> None:
    """Makes a file's content, or renames in a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(folder: Path, what: str, *, wait: bool = False, shared: bool = False) -> Iterator[None]:
    """Creates the folder and holds it for one run by its file `.lock`, which stays; a killed run's lock is gone.

    Args:
      folder: held until the end of the `with` block.
      what: what the run writes there, for the message, e.g. "the shards".
      wait: for another run to leave the folder, however long that takes.
      shared: with others that share it, see `spl_tf.claims`; it keeps out those that do not. File systems without
        locks take it too, which is told.

    A folder that is the mirror of one in a store is held on this machine alone, which is told; at the end of the block
    the store is made equal to it.

    Raises:
      UserError: another run holds the folder, or it is no folder and none can be made.
    """
    addresses.require_no_address(folder)
    folder = pathlib.Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{folder} is not a folder: choose another one for {what}") from error
    except FileNotFoundError as error:  # With its parents: only a system folder like /proc answers so.
        raise UserError(f"{folder} cannot be made there: choose another folder for {what}") from error
    with open(folder / ".lock", "a+") as lock:  # NFS gives a shared lock for reading alone.
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise UserError(
                f"{folder} is in use by another run: wait for it or choose another folder for {what}"
            ) from error
        except OSError as error:
            if not shared or error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            print(f"{folder} lies on a file system without locks: start no run of another kind in it", flush=True)
        mirror.tell_without_locks(folder)
        try:
            yield
        except StoreError:
            raise  # To push would fail again.
        except BaseException:
            mirror.push(folder)
            raise
        mirror.push(folder)


def unused_name(path: Path) -> pathlib.Path:
    """The path with `.replaced-1` behind it, or the first such number that is free: where a result is set aside."""
    path = pathlib.Path(path)
    names = (path.with_name(f"{path.name}.replaced-{number}") for number in itertools.count(1))
    return next(name for name in names if not name.exists())


def put_first(path: Path, text: str) -> bool:
    """Writes a file unless it is there; whether it was this call that did. Of several hosts at once one does.

    It is whole from its first moment on. The folder must be there: False where it is gone.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{os.uname().nodename}.{os.getpid()}.tmp.{secrets.token_hex(8)}")
    try:
        temporary.write_text(text, encoding="utf-8")
        was_first = link_first(temporary, path)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        was_first = _write_first(path, text)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    if was_first:
        mirror.upload(path)
    return was_first


def _rename_first(temporary: pathlib.Path, path: pathlib.Path) -> None:
    try:
        link_first(temporary, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if not path.exists():
            os.replace(temporary, path)
    temporary.unlink(missing_ok=True)


def _write_first(path: pathlib.Path, text: str) -> bool:
    """Where there are no hard links: a moment long the file is there and empty."""
    try:
        with open(path, "x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        return False
    return True


def link_first(source: Path, path: Path) -> bool:
    """Gives a file a second name unless that is taken; whether it did. False where one of the folders is gone."""
    try:
        os.link(source, path)
    except FileExistsError:
        # A file server's answer may be lost, and its second one says so of its own work.
        with contextlib.suppress(FileNotFoundError):
            return os.path.samefile(source, path)
        return False
    except FileNotFoundError:
        return False
    return True


def write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_lines(path: Path, lines: Iterable[object]) -> None:
    """Writes a text file of these lines."""
    write_text(path, "".join(f"{line}\n" for line in lines))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """What `write_json` writes."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def open_regular(path: Path, remedy: str) -> io.BufferedReader:
    """Opens a file that is there and is a file: a pipe would be waited for, a device may never end.

    Args:
      path: the file.
      remedy: what the user can do when there is none, e.g. "run spl_tf.shard first".

    Raises:
      UserError: there is none, or it is a folder, pipe, socket or device, or an address of a store.
    """
    addresses.require_no_address(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # Of a pipe nobody writes to: at once.
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{path} does not exist: {remedy}") from error
    except ValueError as error:  # A NUL in the name.
        raise UserError(f"{str(path)!r} is no name of a file ({error}): {remedy}") from error
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise UserError(f"{path} is a socket, not a file: {remedy}") from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise UserError(f"{path} is {_KINDS.get(stat.S_IFMT(mode), 'a device')}, not a file: {remedy}")
    return open(descriptor, "rb")


def require_regular(path: Path, remedy: str) -> None:
    """Raises as `open_regular`, for a library that opens the file by its name."""
    open_regular(path, remedy).close()


def sha256(*paths: Path) -> str:
    """Hex digest of a file's content, or of several files' contents, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with open_regular(path, "give a file that can be read to its end") as opened:
            hashlib.file_digest(opened, lambda: digest)
    return digest.hexdigest()
