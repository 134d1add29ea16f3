"""Objects of a store brought into their mirror, and room made for them."""

import concurrent.futures
import contextlib
import fcntl
import os
import pathlib
import secrets
import time
from collections.abc import Iterator, Sequence

from spl_tf.errors import UserError
from spl_tf.remote import addresses, record, stores
from spl_tf.remote.record import Known

SHARD = ".tfrecord"
TRANSFERS = 8
# Where a file is until all of it is there, and how old it is when it must be of a killed process.
_INCOMING, _SECONDS_ABANDONED = ".incoming", 86_400.0
_GIGABYTES = 100.0
# A block of training and those read ahead: they stay whatever the room.
_SHARDS_KEPT = 64


def fetch_all(wanted: Sequence[Known]) -> None:
    """Fetches these files, some at a time, and notes each as equal to its object."""
    if not wanted:
        return
    from tqdm import tqdm

    with (
        concurrent.futures.ThreadPoolExecutor(TRANSFERS) as pool,
        tqdm(total=sum(each.size for each in wanted), desc="fetch", unit="B", unit_scale=True, delay=2) as bar,
    ):
        for fetched in pool.map(_fetch, wanted):
            bar.update(fetched.size)
    make_room()


def _fetch(wanted: Known) -> Known:
    path, address = wanted.path, addresses.require_address(wanted.path)
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
        with records_held(fcntl.LOCK_SH):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.replace(temporary, path)
            record.put([fetched])
    finally:
        pathlib.Path(temporary).unlink(missing_ok=True)
    return fetched


@contextlib.contextmanager
def records_held(how: int) -> Iterator[None]:
    """Holds files and what is known of them against other processes, shared or alone."""
    root = addresses.mirrors()
    root.mkdir(parents=True, exist_ok=True)
    with open(root / ".records", "a+") as lock:
        fcntl.flock(lock, how)
        yield


def make_room() -> None:
    """Removes mirrored shards, which can be fetched again, those first that were not used for longest."""
    text = os.environ.get("SPL_TF_CACHE_GB", str(_GIGABYTES))
    try:
        room = float(text) * 1e9
    except ValueError as error:
        raise UserError(f"SPL_TF_CACHE_GB={text}: give a number of gigabytes") from error
    shards = record.least_recently_used(SHARD)
    too_much = sum(each.size for each in shards) - room
    for each in shards[:-_SHARDS_KEPT]:
        if too_much <= 0:
            break
        if each.is_equal():
            record.put([Known(each.path, each.size, each.tag, None)])
            pathlib.Path(each.path).unlink(missing_ok=True)
            too_much -= each.size


def remove_abandoned() -> None:
    """Removes what processes that were killed did not fetch to the end."""
    for leftover in (addresses.mirrors() / _INCOMING).glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - leftover.stat().st_mtime > _SECONDS_ABANDONED:
                leftover.unlink()
