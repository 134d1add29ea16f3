"""The last step of building shards: lists of what was rejected, checksums, and the file that marks the folder."""

import collections
import contextlib
import csv
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np

from spl_tf import checksums, files
from spl_tf.data.building.resume import Progress, ShardState, shard_path
from spl_tf.data.building.settings import Settings, require_same_settings
from spl_tf.data.building.stored_plan import StoredPlan
from spl_tf.data.dataset import FILE_NAME, FORMAT_VERSION, ClipDataset, load_dataset, require_whole_description
from spl_tf.data.manifest import Rejection
from spl_tf.errors import UserError
from spl_tf.remote import mirror
from spl_tf.stored import read_json

REJECTED_FILE = "rejected.csv"
NOTES_FILE = "notes.csv"  # Of rows that gave clips though their videos are damaged or short.


class _MadeWith(msgspec.Struct):
    """What `dataset.json` says of how it was made."""

    settings: dict[str, Any]


def finished_dataset(folder: pathlib.Path, settings: Settings) -> ClipDataset | None:
    """The folder's data set when it is finished; a UserError when its settings were others."""
    if not (folder / FILE_NAME).exists():
        return None
    remedy = "name another --output_dir, or empty the folder to cut its shards again"
    made_with = read_json(folder / FILE_NAME, _MadeWith, remedy)
    require_whole_description(folder)  # Damage is no change.
    require_same_settings(settings, made_with.settings, folder)
    return load_dataset(folder)


def finish(plan: StoredPlan, settings: Settings, folder: pathlib.Path) -> None:
    """Writes `rejected.csv`, `notes.csv` and checksums, then `dataset.json`, which marks the folder as finished.

    The states of the shards are read one by one, so that memory does not grow with their number.

    Raises:
      UserError: no shard has a clip, or one is not there any more.
    """
    shards, start, num_videos, multi_label = list[dict[str, Any]](), 0, 0, False
    counts = np.zeros(len(settings.classes), np.int64)
    with (
        _rows(folder / REJECTED_FILE, ["path", "video_id", "label", "reason", "partner", "distance"]) as rejected,
        _rows(folder / NOTES_FILE, ["path", "video_id", "label", "note"]) as noted,
    ):
        for table, rows in zip((rejected, noted), plan.rejected_and_noted(), strict=True):
            table.add(rows)
        for name, state in _states(plan, folder):
            rejected.add(state.rejected)
            noted.add(state.noted)
            counts += state.clips_per_class
            num_videos += state.videos
            multi_label |= state.multi_label
            if state.records == 0:  # All its videos were rejected.
                mirror.remove(shard_path(folder, name))
                continue
            shards.append(
                {
                    "name": name,
                    "records": state.records,
                    "start": start,
                    "bytes": state.num_bytes,
                    "fingerprint": state.fingerprint,
                    "ids_digest": state.ids_digest,
                }
            )
            start += state.records
    if not shards:
        # What was rejected may be mended: the next run looks at every row again.
        Progress(folder).clear()
        raise UserError(
            f"no row of {settings.manifest} gave a clip: {rejected.count} rejected ({by_reason(rejected.kinds())}), "
            f"each with its reason in {folder / REJECTED_FILE}"
        )
    description = {
        "format_version": FORMAT_VERSION,
        "classes": list(settings.classes),
        "clips_per_class": dict(zip(settings.classes, counts.tolist(), strict=True)),
        "clip_seconds": settings.clip_seconds,
        "fps": settings.fps,
        "short_side": settings.short_side,
        "jpeg_quality": settings.jpeg_quality,
        "decoder": settings.decoder,
        "num_clips": start,
        "num_videos": num_videos,
        "multi_label": multi_label,
        "rejected": rejected.kinds(),
        "notes": noted.kinds(),
        "shards": shards,
        "settings": settings.as_json(),
    }
    sums: dict[str, str | None] = {REJECTED_FILE: None, NOTES_FILE: None}
    sums |= {shard_path(folder, shard["name"]).name: shard["fingerprint"] for shard in shards}
    checksums.complete(folder, sums, FILE_NAME, files.json_text(description))


def _states(plan: StoredPlan, folder: pathlib.Path) -> Iterator[tuple[str, ShardState]]:
    progress = Progress(folder)
    for name in plan.num_videos:
        state = progress.state(name, plan)
        if state is None:
            raise UserError(f"{shard_path(folder, name)} was changed or removed: run the same command again")
        yield name, state


class _Rows:
    """A table of rows, and how many there are of each kind."""

    def __init__(self, writer: Any, num_columns: int):
        self._writer, self._num_columns = writer, num_columns
        self._kinds: collections.Counter[str] = collections.Counter()

    @property
    def count(self) -> int:
        return self._kinds.total()

    def kinds(self) -> dict[str, int]:
        """Kind -> rows, the most frequent first."""
        return dict(self._kinds.most_common())

    def add(self, rows: Iterable[Rejection]) -> None:
        for row in rows:
            self._kinds[row.kind] += 1
            cells = [row.path, row.video_id, row.label, row.reason, row.partner, row.distance]
            self._writer.writerow(cells[: self._num_columns])


@contextlib.contextmanager
def _rows(path: pathlib.Path, columns: list[str]) -> Iterator[_Rows]:
    with files.atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(columns)
        yield _Rows(writer, len(columns))


def by_reason(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
