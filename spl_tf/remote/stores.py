"""Stores by fsspec: what is done to their objects, tried again where that helps, with faults in one line."""

import contextlib
import dataclasses
import datetime
import functools
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from spl_tf.errors import UserError

# Each try takes 10 s to connect at most, or 30 s without an answer, with pauses of up to 20 s between them.
_S3_OPTIONS = {"retries": {"mode": "standard", "max_attempts": 6}, "connect_timeout": 10, "read_timeout": 30}
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}


class StoreError(UserError):
    """A store does not answer, or refuses; one line says which and why."""


@dataclasses.dataclass(frozen=True)
class StoredObject:
    """An object: its size in bytes, and a tag that changes with its content."""

    size: int
    tag: str


def list_objects(address: str) -> dict[str, StoredObject]:
    """The objects below a folder's address, by their names relative to it; none where nothing is there."""
    with _explained(address):
        filesystem, root = _opened(address)
        found = filesystem.find(root, detail=True)
        if not found:
            _require_bucket(filesystem, root)
    prefix = f"{root.rstrip('/')}/"
    objects = {
        name[len(prefix) :]: _described(details)
        for name, details in found.items()
        if name.startswith(prefix) and not name.endswith("/")
    }
    if unusable := [name for name in objects if {"", ".", ".."} & set(name.split("/")) or "\0" in name]:
        line = f"{address}: left out {len(unusable):,} objects that no file can be called, e.g. {unusable[0]!r}"
        print(line, file=sys.stderr, flush=True)
    return {name: found for name, found in objects.items() if name not in unusable}


def look_up(address: str) -> StoredObject | None:
    """An object; None where there is none."""
    with _explained(address):
        filesystem, name = _opened(address)
        try:
            details = filesystem.info(name)
        except FileNotFoundError:
            return None
    return _described(details) if details["type"] == "file" else None


def download(address: str, path: str) -> None:
    with _explained(address):
        filesystem, name = _opened(address)
        filesystem.get_file(name, path)


def upload(path: str, address: str) -> StoredObject:
    """Puts a file in the place of an object, whole or not at all."""
    with _explained(address):
        filesystem, name = _opened(address)
        filesystem.put_file(path, name)
        stored = _described(filesystem.info(name))
        size = os.path.getsize(path)
    if stored.size != size:
        raise StoreError(f"{address} has {stored.size:,} bytes after {size:,} were written: is another run writing it?")
    return stored


def delete(addresses: Sequence[str]) -> None:
    for address in addresses:
        with _explained(address):
            filesystem, name = _opened(address)
            with contextlib.suppress(FileNotFoundError):
                filesystem.rm_file(name)


def _opened(address: str) -> tuple[Any, str]:
    """The file system of an address, and its name there."""
    filesystem = _filesystem(address.partition("://")[0])
    return filesystem, filesystem._strip_protocol(address)


@functools.cache
def _filesystem(scheme: str) -> Any:
    extra = _EXTRAS.get(scheme)
    try:
        import fsspec
        from fsspec.config import conf

        options: dict[str, Any] = {"use_listings_cache": False}
        if extra == "s3":
            options["config_kwargs"] = _S3_OPTIONS | conf.get("s3", {}).get("config_kwargs", {})
        filesystem = fsspec.filesystem(scheme, **options)
        if extra == "s3":
            filesystem.retries = 2  # Of all tries of botocore, where an answer breaks off or does not come: it is 5.
        # What it logs of a fault, tracebacks too, is said in one line here.
        logging.getLogger(type(filesystem).__module__.partition(".")[0]).setLevel(logging.CRITICAL)
        return filesystem
    except ImportError as error:
        remedy = f"pip install 'spl_tf[{extra}]'" if extra else f"install fsspec and what it needs for {scheme}"
        raise UserError(f"{scheme}:// cannot be reached, a package is missing ({error}): {remedy}") from error
    except ValueError as error:
        raise UserError(f"{scheme}:// is no scheme that fsspec knows: give e.g. s3://bucket/folder") from error


def _require_bucket(filesystem: Any, root: str) -> None:
    """Raises FileNotFoundError without a bucket, below which all listings are empty; and what a listing passes over."""
    bucket = root.partition("/")[0]
    if bucket:
        filesystem.info(bucket)


def _described(details: dict[str, Any]) -> StoredObject:
    tags = (details.get(key) for key in ("ETag", "etag", "md5Hash", "created", "mtime", "last_modified"))
    tag = next((tag for tag in tags if tag is not None), "")
    # One file system gives one time in two ways.
    return StoredObject(details["size"], str(tag.timestamp() if isinstance(tag, datetime.datetime) else tag))


@contextlib.contextmanager
def _explained(address: str) -> Iterator[None]:
    """One line for what a store answers, or for its silence."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        bucket = "/".join(address.split("/", 3)[:3])
        raise StoreError(
            f"{address} is not there, or there is no {bucket}: make the bucket, or correct the address"
        ) from error
    except PermissionError as error:
        raise StoreError(
            f"{address}: permission denied ({_first_line(error)}): check credentials and policies"
        ) from error
    except Exception as error:
        name, said = type(error).__name__, _first_line(error)
        if "Credential" in name or "RefreshError" in name or "Unable to locate credentials" in said:
            line = f"{address}: no credentials ({said}): set them as for the store's own tools (docs/remote.md)"
        elif isinstance(error, OSError) and error.filename:
            raise  # Of the local disk.
        else:
            line = f"{address} cannot be reached ({said or name}): the same command goes on from here"
        raise StoreError(line) from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
