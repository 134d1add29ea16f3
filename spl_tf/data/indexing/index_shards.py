"""Describes shards that another program wrote by a `dataset.json` of ours, so that all commands read them."""

import collections
import contextlib
import csv
import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import msgspec
from tqdm import tqdm

from spl_tf import checksums, files
from spl_tf.data import record
from spl_tf.data.dataset import FILE_NAME, FORMAT_VERSION, ClipDataset, load_dataset, require_whole_description
from spl_tf.data.indexing.first_look import folder_of, matched, settings_of
from spl_tf.data.indexing.foreign_record import INDEX_DIFFERS
from spl_tf.data.indexing.keys import RecordKeys
from spl_tf.data.indexing.notes import Notes, as_json, heads_path
from spl_tf.data.indexing.scan import Fault, Job, Scan, Settings, scan
from spl_tf.data.workers import Failure, run_in_workers
from spl_tf.errors import UserError
from spl_tf.stored import Count, read_json

_REJECTED, _NOTED = "rejected.csv", "notes.csv"


def index_shards(
    records: str,
    output_dir: files.Path,
    *,
    classes: Sequence[str],
    keys: RecordKeys,
    fps: float | None = None,
    short_side: int | None = None,
    keep_unlabelled: bool = False,
    workers: int | None = None,
) -> ClipDataset:
    """Reads shards of MediaSequence records once and writes `dataset.json` and their heads into `output_dir`.

    The shards stay as and where they are. A killed run goes on with the shards that are missing, a finished one with
    the same settings returns at once.

    Args:
      records: pattern of the files, all in one folder, e.g. `dmvr/train_1-*`.
      output_dir: of the index, another folder; created when missing.
      classes: ordered class names.
      keys: of the fields, see `record_keys`.
      fps: frames per second; None where the records state it.
      short_side: to which frames are scaled as they are read, pixels; None where all have the same.
      keep_unlabelled: whether records without a label are used.
      workers: processes; None for one per core.

    Raises:
      UserError: no file, or one that is damaged or no TFRecord; a key, a label or a setting that does not fit; a folder
        of other shards; no usable record.
    """
    output_dir = pathlib.Path(output_dir)
    paths = matched(records)
    if folder_of(paths) == os.path.realpath(output_dir):
        raise UserError(f"{output_dir} is the folder of the shards: choose another --output_dir")
    options: dict[str, Any] = {"fps": fps, "short_side": short_side, "keep_unlabelled": keep_unlabelled}
    settings = settings_of(paths, classes=tuple(classes), keys=keys, **options)
    with files.locked(output_dir, "the index"):
        notes = Notes(output_dir, settings)
        if (output_dir / FILE_NAME).exists():
            _require_same(output_dir, settings, paths)
        else:
            scans = _scan_all(paths, output_dir, settings, notes, workers)
            _finish(paths, scans, settings, output_dir)
        notes.clear()
    return load_dataset(output_dir)


def summary(dataset: ClipDataset) -> str:
    """What was found, and what of it is not used."""
    labelled = "" if dataset.multi_label else f", {sum(dataset.clips_per_class.values()):,} with a label"
    lines = [
        f"{dataset.folder}: {dataset.num_clips:,} clips of {dataset.num_videos:,} videos in {len(dataset.shards):,} "
        f"shards{labelled}; short side {dataset.short_side}, {dataset.fps:g} frames per second"
    ]
    for what, counts, name in (("left out", dataset.rejected, _REJECTED), ("used, though", dataset.notes, _NOTED)):
        if counts:
            reasons = ", ".join(f"{reason} ({count:,})" for reason, count in counts.items())
            lines.append(f"{what}: {reasons}: see {name}")
    made = read_json(pathlib.Path(dataset.folder) / FILE_NAME, _Made, "run spl_tf.index")
    if made.unused_keys:
        lines.append("not read: " + ", ".join(f"{key} ({count:,})" for key, count in made.unused_keys.items()))
    return "\n".join(lines)


class _Made(msgspec.Struct):
    """What `dataset.json` says of how it was made."""

    settings: dict[str, Any]
    unused_keys: dict[str, Count] = {}


def _require_same(folder: pathlib.Path, settings: Settings, paths: Sequence[str]) -> None:
    """Raises UserError where a folder's index is of other settings or files."""
    made = read_json(folder / FILE_NAME, _Made, "empty the folder to index again")
    require_whole_description(folder)
    for name, value in _made_of(settings, paths).items():
        if made.settings.get(name) != value:
            raise UserError(f"{folder} was made with other {name}: choose another --output_dir, or empty this one")


def _made_of(settings: Settings, paths: Sequence[str]) -> dict[str, Any]:
    return as_json(settings) | {"files": [os.path.basename(path) for path in paths]}


def _scan_all(
    paths: Sequence[str], folder: pathlib.Path, settings: Settings, notes: Notes, workers: int | None
) -> list[Scan]:
    """The scans of all shards, in the order of the paths; those of an earlier run are taken from its notes."""
    scans = {path: notes.scan(path) for path in paths}
    missing = [path for path, found in scans.items() if found is None]
    jobs = [Job(path, str(heads_path(path, folder)), settings) for path in missing]
    num_workers = (os.cpu_count() or 1) if workers is None else workers
    results = run_in_workers(scan, jobs, num_workers=num_workers, seconds_per_job=math.inf)
    progress = tqdm(total=len(paths), initial=len(paths) - len(missing), desc="indexing", unit="shard")
    with progress as bar, contextlib.closing(results):
        for path, result in zip(missing, results, strict=True):
            if isinstance(result, Failure):
                raise UserError(f"{path} could not be read: {result.kind} {result.detail}".rstrip())
            if isinstance(result, Fault):
                raise UserError(result.text)
            notes.save(path, result)
            scans[path] = result
            bar.update()
    return [found for found in scans.values() if found is not None]


def _finish(paths: Sequence[str], scans: Sequence[Scan], settings: Settings, folder: pathlib.Path) -> None:
    """Writes the lists, checksums and then `dataset.json`, which marks the folder as finished."""
    names = [os.path.basename(path) for path in paths]
    rejected: list[tuple[Any, ...]] = []
    for name, found in zip(names, scans, strict=True):
        rejected += [(name, *row) for row in found.rejected] if found.keys else [(name, "", "file without records", "")]
    noted = [row for found in scans for row in found.noted]
    by_reason = dict(collections.Counter(row[2] for row in rejected).most_common())
    by_note = dict(collections.Counter(note for _, note in noted).most_common())
    _write_rows(folder / _REJECTED, ("shard", "record", "reason", "detail"), rejected)
    _write_rows(folder / _NOTED, ("clip_id", "note"), noted)
    _require_usable(scans, by_reason, by_note.get(INDEX_DIFFERS, 0), folder)
    shards, start = [], 0
    sums: dict[str, str | None] = {_REJECTED: None, _NOTED: None}
    place = _place(folder_of(paths), os.path.realpath(folder))
    keys: collections.Counter[str] = collections.Counter()
    for path, name, found in zip(paths, names, scans, strict=True):
        keys.update(found.keys)
        if not found.records:
            heads_path(path, folder).unlink(missing_ok=True)
            continue
        shards.append(
            {
                "name": name,
                "records": found.records,
                "start": start,
                "bytes": found.num_bytes,
                "fingerprint": found.fingerprint,
                "ids_digest": found.ids_digest,
            }
        )
        start += found.records
        sums |= {os.path.join(place, name): found.sha256, heads_path(path, folder).name: found.heads_sha256}
    counts = [sum(column) for column in zip(*(found.clips_per_class for found in scans), strict=True)]
    description = {
        "format_version": FORMAT_VERSION,
        "classes": list(settings.classes),
        "clips_per_class": dict(zip(settings.classes, counts, strict=True)),
        "clip_seconds": 0,
        "fps": settings.fps,
        "short_side": settings.short_side,
        "jpeg_quality": None,
        "num_clips": start,
        "num_videos": len({video for found in scans for video in found.videos}) if settings.keys.video else start,
        "multi_label": any(found.multi_label for found in scans),
        "rejected": by_reason,
        "notes": by_note,
        "foreign": {"folder": place, "frames": settings.keys.frames, "compression": settings.compression},
        "unused_keys": {key: keys[key] for key in sorted(keys.keys() - _read_keys(settings.keys))},
        "shards": shards,
        "settings": _made_of(settings, paths),
    }
    checksums.complete(folder, sums, FILE_NAME, files.json_text(description))


def _require_usable(scans: Sequence[Scan], by_reason: dict[str, int], differing: int, folder: pathlib.Path) -> None:
    if not any(found.records for found in scans):
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in by_reason.items())
        raise UserError(f"no record gives a clip: {reasons}, each listed in {folder / _REJECTED}")
    by_id = sum(found.by_id for found in scans)
    if by_id and differing:
        raise UserError(
            f"{by_id:,} clips have label ids but no label text, and of {differing:,} others the id is not the class of "
            "their text: which classes the ids mean is not known. Give the classes file that they are lines of, or "
            "bind record_keys.label_index = '' to leave out clips without a text"
        )


def _place(shards: str, index: str) -> str:
    """Where the shards are, seen from the index: as a relative path where both are in one folder, or one in another."""
    near = {shards, os.path.dirname(shards)} & {index, os.path.dirname(index)}
    return os.path.relpath(shards, index) if near else shards


def _read_keys(keys: RecordKeys) -> set[str]:
    beside = {keys.beside_frames("timestamp"), keys.beside_frames("frame_rate")}
    return {keys.frames, keys.label_index, *keys.label_text, keys.video, record.START, record.END, *beside}


def _write_rows(path: pathlib.Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with files.atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([columns, *rows])
