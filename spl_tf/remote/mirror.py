"""Folders of an object store, each worked on in a mirror on the local disk.

All code reads and writes local files. What makes them those of the store is done here:

  pull     before a command: the mirror becomes equal to the store, which is what counts. Shards, checkpoints and
           TensorBoard's logs are not fetched yet
  fetch    where one of those is read
  upload   where a file was written whole, one by one in the order they are written: the file that marks a folder as
           finished comes last in the store as on a disk
  push     at the end of a command and after a checkpoint: what was written or removed otherwise

An object is put whole or not at all, so a file of the store is whole or absent too. Stores have no locks.
"""

import concurrent.futures
import fcntl
import fnmatch
import os
import pathlib
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence

from spl_tf.errors import UserError
from spl_tf.remote import addresses, fetching, record, stores
from spl_tf.remote.addresses import Path
from spl_tf.remote.record import Known

# Fetched when they are read.
_LATE = (f"*{fetching.SHARD}", "*/checkpoints/*", "*/events.out.tfevents.*")
# Of this machine alone: locks, and what is not written to its end.
_LOCAL = ("*/.lock", "*/.*.tmp.*", "*/spool-*/*", "*_temp/*", "*/.hosts-*")
# Among what a library wrote into a folder by itself, what says that all is there; what names others comes first here.
_LAST = ("*/checkpoint", "*.index", "*/saved_model.pb")

_told_of: set[str] = set()


def open_folder(text: Path) -> pathlib.Path:
    """A folder as the user gave it: a path as it is, an address as its mirror, made equal to the store.

    Raises:
      UserError: the store does not answer, or refuses.
    """
    if not addresses.is_address(text):
        return pathlib.Path(text)
    path = addresses.mirror_path(str(text))
    pull(path)
    return path


def open_file(text: Path) -> pathlib.Path:
    """A file as the user gave it: a path as it is, an address as its mirror, fetched if it is there.

    Raises:
      UserError: the store does not answer, or refuses.
    """
    if not addresses.is_address(text):
        return pathlib.Path(text)
    path = addresses.mirror_path(str(text))
    refresh(path)
    if not path.is_file():
        raise UserError(f"{text} does not exist, or is no file: correct the address")
    return path


def pull(folder: Path) -> None:
    """Makes a mirror equal to its folder in the store, but for what is fetched when it is read.

    What the store does not have is removed from the mirror. A folder that another run on this machine writes is taken
    as it is: that run keeps it equal.
    """
    folder = pathlib.Path(folder)
    stored = stores.list_objects(addresses.require_address(folder))
    fetching.remove_abandoned()
    with fetching.records_held(fcntl.LOCK_EX):  # No other process fetches a file and has not noted it yet.
        if _is_written(folder):
            return
        before = record.known_below(str(folder))
        now = []
        for name, found in stored.items():
            path = str(folder / name)
            old = before.pop(path, None)
            is_same = old is not None and old.tag == found.tag and old.is_equal()
            now.append(Known(path, found.size, found.tag, old.mtime if old and is_same else None))
        record.forget(before)
        record.put(now)
        # What is fetched now is replaced at once: another process may be reading it.
        kept = {each.path for each in now if each.mtime is not None or not _is_like(each.path, _LATE)}
        for path in _files(folder):
            if path not in kept:
                os.unlink(path)
    fetching.fetch_all([each for each in now if each.mtime is None and not _is_like(each.path, _LATE)])


def refresh(*paths: Path) -> None:
    """Makes files of mirrors equal to the store, one by one, without a look at their folders; others are left alone."""
    mirrored = [os.path.normpath(path) for path in paths if addresses.address_of(path)]
    if not mirrored:
        return

    def look_up(path: str) -> Known | None:
        found, old = stores.look_up(addresses.require_address(path)), record.known(path)
        if found is None:
            pathlib.Path(path).unlink(missing_ok=True)
            record.forget([path])
            return None
        is_same = old is not None and old.tag == found.tag and old.is_equal()
        return None if is_same else Known(path, found.size, found.tag, None)

    with concurrent.futures.ThreadPoolExecutor(fetching.TRANSFERS) as pool:
        fetching.fetch_all([each for each in pool.map(look_up, mirrored) if each is not None])


def fetch(*paths: Path) -> None:
    """Fetches files of mirrors that are known and not fetched yet; other paths are left alone."""
    wanted = []
    for path in map(os.path.normpath, paths):
        if addresses.address_of(path) is None or (known := record.known(path)) is None:
            continue
        if known.is_equal():
            record.touch(path)
        elif known.mtime is None or not os.path.exists(path):
            wanted.append(known)
    fetching.fetch_all(wanted)


def fetch_folder(folder: Path) -> None:
    """Fetches what is not fetched yet of a pulled folder; other paths are left alone."""
    if addresses.address_of(folder) is not None:
        fetching.fetch_all([each for each in record.known_below(str(folder)).values() if each.mtime is None])


def size(path: Path) -> int | None:
    """Bytes of a file, also of one in the store that is not fetched; None where there is none.

    Raises:
      OSError: as os.stat, but for a file that is not there.
    """
    try:
        return os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        known = record.known(str(path)) if addresses.address_of(path) else None
        return known.size if known and known.mtime is None else None


def upload(path: Path) -> None:
    """Puts a file that was written in a mirror into the store; other paths are left alone."""
    path = str(path)
    if (address := addresses.address_of(path)) is None or _is_like(path, _LOCAL):
        return
    mtime = os.stat(path).st_mtime_ns
    found = stores.upload(path, address)
    record.put([Known(path, found.size, found.tag, mtime)])
    fetching.make_room()


def remove(path: Path) -> None:
    """Removes a file, and its object where it lies in a mirror; none is fine."""
    pathlib.Path(path).unlink(missing_ok=True)
    if address := addresses.address_of(path):
        stores.delete([address])
        record.forget([str(path)])


def remove_folder(folder: Path) -> None:
    """Removes a folder, and its objects where it lies in a mirror; none is fine."""
    shutil.rmtree(folder, ignore_errors=True)
    if addresses.address_of(folder):
        _remove_objects(record.known_below(str(folder)))


def push(folder: Path) -> None:
    """Makes the store equal to a mirror; other paths are left alone."""
    if addresses.address_of(folder) is None:
        return
    known = record.known_below(str(folder))
    there = {path for path in _files(pathlib.Path(folder)) if not _is_like(path, _LOCAL)}
    changed = sorted(path for path in there if path not in known or not known[path].is_equal())
    for path in sorted(changed, key=lambda path: [_is_like(path, [pattern]) for pattern in _LAST]):
        upload(path)
    _remove_objects(path for path, each in known.items() if path not in there and each.mtime is not None)


def _remove_objects(paths: Iterable[str]) -> None:
    paths = list(paths)
    stores.delete([addresses.require_address(path) for path in paths])
    record.forget(paths)


def _is_written(folder: pathlib.Path) -> bool:
    """Whether a run on this machine holds the folder, or one around it."""
    root = addresses.mirrors()
    for place in (folder, *folder.parents):
        if place == root:
            return False
        try:
            lock = os.open(place / ".lock", os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
    return False


def _files(folder: pathlib.Path) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        for name in names:
            if name != ".lock":
                yield os.path.join(place, name)


def _is_like(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def tell_without_locks(folder: Path) -> None:
    """Says once that nothing keeps two machines from writing one folder of a store."""
    address = addresses.address_of(folder)
    if address is None or any(f"{address}/".startswith(f"{told}/") for told in _told_of):
        return
    _told_of.add(address)
    print(f"{address}: stores have no locks, so let no other run write there meanwhile", file=sys.stderr, flush=True)
