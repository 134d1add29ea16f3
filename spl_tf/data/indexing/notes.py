"""What a run has found so far, so that a killed one goes on with the shards that are missing."""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from typing import Any

from spl_tf import checksums, files
from spl_tf.data.dataset import HEADS
from spl_tf.data.indexing.scan import Scan, Settings
from spl_tf.errors import UserError

_FOLDER = ".index"


def heads_path(path: str, folder: pathlib.Path) -> pathlib.Path:
    """Of a shard's heads in the folder of the index."""
    return folder / f"{os.path.basename(path)}{HEADS}"


@dataclasses.dataclass
class _Note:
    """Of a shard, and the digest of what decided its heads."""

    digest: str
    scan: Scan


class Notes:
    """The notes of one run in a folder it has locked."""

    def __init__(self, folder: pathlib.Path, settings: Settings):
        self._output, self._settings = folder, settings
        for leftover in [*folder.glob(files.TEMPORARY), *(folder / _FOLDER).glob(files.TEMPORARY)]:
            leftover.unlink(missing_ok=True)

    def scan(self, path: str) -> Scan | None:
        """What was found in a shard; None where nothing was yet, or the file, a setting or its heads are others."""
        note, heads = self._path(path), heads_path(path, self._output)
        if not note.exists() or not heads.exists():
            return None
        try:
            noted = checksums.read_sealed(note, _Note, "the shard is read again")
        except UserError as error:
            print(error, flush=True)
            return None
        same = noted.digest == self._digest(path) and files.sha256(heads) == noted.scan.heads_sha256
        return noted.scan if same else None

    def save(self, path: str, found: Scan) -> None:
        content = dataclasses.asdict(_Note(self._digest(path), found))
        files.write_json(self._path(path), checksums.sealed(json.loads(json.dumps(content))))

    def clear(self) -> None:
        shutil.rmtree(self._output / _FOLDER, ignore_errors=True)

    def _path(self, path: str) -> pathlib.Path:
        return self._output / _FOLDER / f"{os.path.basename(path)}.json"

    def _digest(self, path: str) -> str:
        """Of what decides a shard's heads; of its content, by size and time."""
        status = os.stat(path)
        content = [as_json(self._settings), os.path.realpath(path), status.st_size, status.st_mtime_ns]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def as_json(settings: Settings) -> dict[str, Any]:
    """The settings as they are read back."""
    content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings)))
    return content
