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
import contextlib
import fcntl
import fnmatch
import os
import pathlib
import secrets
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

from spl_tf.errors import UserError
from spl_tf.remote import addresses, record, stores
from spl_tf.remote.addresses import Path
from spl_tf.remote.record import Known

_SHARD = ".tfrecord"
# Fetched when they are read.
_LATE = (f"*{_SHARD}", "*/checkpoints/*", "*/events.out.tfevents.*")
# Of this machine alone: locks, and what is not written to its end.
_LOCAL = ("*/.lock", "*/.*.tmp.*", "*/spool-*/*", "*_temp/*", "*/.hosts-*")
# Among what a library wrote into a folder by itself, what says that all is there; what names others comes first here.
_LAST = ("*/checkpoint", "*.index", "*/saved_model.pb")

# Where a file is until all of it is there, and how old it is when it must be of a killed process.
_INCOMING, _SECONDS_ABANDONED = ".incoming", 86_400.0
_TRANSFERS = 8
_GIGABYTES = 100.0
_told_of: set[str] = set()

# A block of training and those read ahead: they stay whatever the room.
_SHARDS_KEPT = 64


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
    stored = stores.list_objects(_address(folder))
    for leftover in (addresses.mirrors() / _INCOMING).glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - leftover.stat().st_mtime > _SECONDS_ABANDONED:
                leftover.unlink()
    with _records_held(fcntl.LOCK_EX):  # No other process fetches a file and has not noted it yet.
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
    _fetch_all([each for each in now if each.mtime is None and not _is_like(each.path, _LATE)])


def refresh(*paths: Path) -> None:
    """Makes files of mirrors equal to the store, one by one, without a look at their folders; others are left alone."""
    mirrored = [os.path.normpath(path) for path in paths if addresses.address_of(path)]
    if not mirrored:
        return

    def look_up(path: str) -> Known | None:
        found, old = stores.look_up(_address(path)), record.known(path)
        if found is None:
            pathlib.Path(path).unlink(missing_ok=True)
            record.forget([path])
            return None
        is_same = old is not None and old.tag == found.tag and old.is_equal()
        return None if is_same else Known(path, found.size, found.tag, None)

    with concurrent.futures.ThreadPoolExecutor(_TRANSFERS) as pool:
        _fetch_all([each for each in pool.map(look_up, mirrored) if each is not None])


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
    _fetch_all(wanted)


def fetch_folder(folder: Path) -> None:
    """Fetches what is not fetched yet of a pulled folder; other paths are left alone."""
    if addresses.address_of(folder) is not None:
        _fetch_all([each for each in record.known_below(str(folder)).values() if each.mtime is None])


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
    _make_room()


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
    stores.delete([_address(path) for path in paths])
    record.forget(paths)


def _fetch_all(wanted: Sequence[Known]) -> None:
    if not wanted:
        return
    from tqdm import tqdm

    with (
        concurrent.futures.ThreadPoolExecutor(_TRANSFERS) as pool,
        tqdm(total=sum(each.size for each in wanted), desc="fetch", unit="B", unit_scale=True, delay=2) as bar,
    ):
        for fetched in pool.map(_fetch, wanted):
            bar.update(fetched.size)
    _make_room()


def _fetch(wanted: Known) -> Known:
    path, address = wanted.path, _address(wanted.path)
    incoming = addresses.mirrors() / _INCOMING
    incoming.mkdir(parents=True, exist_ok=True)
    temporary = str(incoming / f"{os.getpid()}-{secrets.token_hex(8)}")
    try:
        stores.download(address, temporary)
        status = os.stat(temporary)
        if status.st_size != wanted.size:
            size = f"{status.st_size:,} bytes of {wanted.size:,}"
            raise stores.StoreError(f"{address} gave {size}: is another run writing it?")
        fetched = Known(path, wanted.size, wanted.tag, status.st_mtime_ns)
        with _records_held(fcntl.LOCK_SH):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.replace(temporary, path)
            record.put([fetched])
    finally:
        pathlib.Path(temporary).unlink(missing_ok=True)
    return fetched


@contextlib.contextmanager
def _records_held(how: int) -> Iterator[None]:
    """Holds files and what is known of them against other processes, shared or alone."""
    root = addresses.mirrors()
    root.mkdir(parents=True, exist_ok=True)
    with open(root / ".records", "a+") as lock:
        fcntl.flock(lock, how)
        yield


def _make_room() -> None:
    """Removes mirrored shards, which can be fetched again, those first that were not used for longest."""
    text = os.environ.get("SPL_TF_CACHE_GB", str(_GIGABYTES))
    try:
        room = float(text) * 1e9
    except ValueError as error:
        raise UserError(f"SPL_TF_CACHE_GB={text}: give a number of gigabytes") from error
    shards = record.least_recently_used(_SHARD)
    too_much = sum(each.size for each in shards) - room
    for each in shards[:-_SHARDS_KEPT]:
        if too_much <= 0:
            break
        if each.is_equal():
            record.put([Known(each.path, each.size, each.tag, None)])
            pathlib.Path(each.path).unlink(missing_ok=True)
            too_much -= each.size


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


def _address(path: Path) -> str:
    address = addresses.address_of(path)
    assert address is not None, path
    return address


def tell_without_locks(folder: Path) -> None:
    """Says once that nothing keeps two machines from writing one folder of a store."""
    address = addresses.address_of(folder)
    if address is None or any(f"{address}/".startswith(f"{told}/") for told in _told_of):
        return
    _told_of.add(address)
    print(f"{address}: stores have no locks, so let no other run write there meanwhile", file=sys.stderr, flush=True)
