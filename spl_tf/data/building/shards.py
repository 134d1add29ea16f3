"""Builds a folder of shards from a manifest: resumable, atomic, the same bytes whatever the number of workers."""

import collections
import csv
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import msgspec

from spl_tf import checksums, files
from spl_tf.data.building.plan import Plan, make_plan
from spl_tf.data.building.resume import Progress, ShardState, shard_path
from spl_tf.data.building.settings import Settings, require_same_settings, settings_of
from spl_tf.data.dataset import (
    FILE_NAME,
    FORMAT_VERSION,
    ClipDataset,
    load_dataset,
    require_whole_description,
)
from spl_tf.data.duplicates.held_out import read_held_out, reject_held_out
from spl_tf.data.duplicates.uploads import drop_duplicates, merge_repeated
from spl_tf.data.lists.class_folders import manifest_digest
from spl_tf.data.manifest import Rejection, read_manifest
from spl_tf.errors import UserError
from spl_tf.stored import read_json

REJECTED_FILE = "rejected.csv"
NOTES_FILE = "notes.csv"  # Of rows that gave clips though their videos are damaged or short.


def write_shards(
    manifest: files.Path,
    output_dir: files.Path,
    *,
    classes: Sequence[str],
    label_column: str = "label",
    clip_seconds: float,
    fps: float,
    frames_fps: float | None = None,
    short_side: int,
    jpeg_quality: int = 90,
    clips_per_class: int | None = None,
    num_shards: int | None = None,
    exclude: Sequence[files.Path] = (),
    keep_duplicates: bool = False,
    workers: int | None = None,
    seed: int = 0,
    seconds_per_video: float = 600.0,
) -> ClipDataset:
    """Cuts the manifest's videos into clips and stores them as TFRecord shards in `output_dir`.

    `dataset.json` is written last: it marks the folder as finished. The same call goes on
    where a killed one stopped, and returns at once when the folder is finished.

    Args:
      manifest: CSV or JSONL file, list or folder, see `spl_tf.data.manifest`.
      output_dir: created when missing.
      classes: ordered class names.
      label_column: the manifest's column with the class names.
      clip_seconds: length of a clip; 0 makes one record of a whole video.
      fps: frames per second of the clips.
      frames_fps: frames per second of folders of frames, where a row has none; None takes no folder without.
      short_side: of the stored frames, pixels.
      jpeg_quality: 1 to 100.
      clips_per_class: quota, see `spl_tf.data.building.windows.choose_for_quota`; None for all windows.
      num_shards: None to choose by size.
      exclude: manifests of held-out videos, which are kept out by id, address, content or name, see
        `spl_tf.data.duplicates.held_out`.
      keep_duplicates: compare no contents, neither of the videos with each other nor with held-out ones. For
        clean sets, which stay as they are given.
      workers: processes; None for one per core.
      seed: of the order of the videos and of the quota's draw.
      seconds_per_video: time limit for one video.

    Raises:
      UserError: the manifest is no table, a setting is out of range, the folder holds other
        shards or is in use, or no row gave a clip.
      OSError: the folder cannot be written to.
    """
    output_dir = pathlib.Path(output_dir)
    num_workers = (os.cpu_count() or 1) if workers is None else workers
    for name, names in (("classes", classes), ("exclude", exclude)):
        if isinstance(names, str):
            raise UserError(f"{name} = {names!r}: give a list, e.g. [{names!r}]")
    if num_workers < 1 or not seconds_per_video > 0:
        raise UserError(f"workers is {workers}, seconds_per_video {seconds_per_video}: both must be above 0")
    if pathlib.Path(manifest).is_dir() and output_dir.resolve().is_relative_to(pathlib.Path(manifest).resolve()):
        raise UserError(
            f"{output_dir} lies in the folder {manifest}, whose files are read: choose another --output_dir"
        )
    held_out = read_held_out(exclude, compares_contents=not keep_duplicates, frames_fps=frames_fps)
    settings = settings_of(
        manifest,
        label_column=label_column,
        classes=tuple(classes),
        clip_seconds=float(clip_seconds),
        fps=float(fps),
        frames_fps=frames_fps,
        short_side=short_side,
        jpeg_quality=jpeg_quality,
        clips_per_class=clips_per_class,
        num_shards=num_shards,
        exclude_sha256=tuple(map(manifest_digest, exclude)),
        keep_duplicates=keep_duplicates,
        seed=seed,
    )
    finished = _finished(output_dir, settings)  # Before the lock: the folder may be read-only.
    if finished and not Progress(output_dir).is_left():
        return finished
    with files.locked(output_dir, "the shards"):
        progress = Progress(output_dir)
        finished = _finished(output_dir, settings)
        if finished:
            progress.clear()
            return finished
        plan = progress.plan(settings)
        if plan is None:
            entries = read_manifest(manifest, settings.classes, label_column, frames_fps)
            entries, rejected_files = reject_held_out(entries, held_out)
            entries = merge_repeated(entries, num_workers, seconds_per_video)
            if not keep_duplicates:
                if held_out.num_missing_files:
                    print(
                        f"{held_out.num_missing_files:,} held-out files are not there: compared by id, name and "
                        "address, and by content with the uploads found so"
                    )
                held_out_files = [*held_out.files, *rejected_files]
                entries = drop_duplicates(
                    entries, held_out_files, progress.fingerprints, num_workers, seconds_per_video
                )
            plan = make_plan(entries, settings, num_workers, seconds_per_video)
            progress.save_plan(settings, plan)
        # Imports TensorFlow: not before the user's mistakes have had their chance.
        from spl_tf.data.building.shard_files import write_missing_shards

        states = write_missing_shards(plan, settings, output_dir, num_workers, seconds_per_video)
        _finish(plan, states, settings, output_dir)
    return load_dataset(output_dir)


def summary(dataset: ClipDataset) -> str:
    """One line: clips, videos, shards, size, rejected rows and faults by reason."""
    megabytes = sum(shard.num_bytes for shard in dataset.shards) / 1e6
    line = (
        f"{dataset.folder}: {dataset.num_clips:,} clips of {dataset.num_videos:,} videos "
        f"in {len(dataset.shards)} shards, {megabytes:,.1f} MB; rejected {sum(dataset.rejected.values()):,}"
    )
    if dataset.rejected:
        line += f" ({_by_reason(dataset.rejected)}): see {REJECTED_FILE}"
    if dataset.notes:
        line += (
            f"; used in spite of faults {sum(dataset.notes.values()):,} ({_by_reason(dataset.notes)}): see {NOTES_FILE}"
        )
    return line


class _MadeWith(msgspec.Struct):
    """What `dataset.json` says of how it was made."""

    settings: dict[str, Any]


def _finished(folder: pathlib.Path, settings: Settings) -> ClipDataset | None:
    """The folder's data set when it is finished; a UserError when its settings were others."""
    if not (folder / FILE_NAME).exists():
        return None
    remedy = "name another --output_dir, or empty the folder to cut its shards again"
    made_with = read_json(folder / FILE_NAME, _MadeWith, remedy)
    require_whole_description(folder)  # Damage is no change.
    require_same_settings(settings, made_with.settings, folder)
    return load_dataset(folder)


def _finish(plan: Plan, states: dict[str, ShardState], settings: Settings, folder: pathlib.Path) -> None:
    """Writes `rejected.csv`, `notes.csv` and checksums, then `dataset.json`, which marks the folder as finished."""
    rejected = [*plan.rejected, *(row for state in states.values() for row in state.rejected)]
    noted = [*plan.noted, *(row for state in states.values() for row in state.noted)]
    _write_rows(folder / REJECTED_FILE, ["path", "video_id", "label", "reason", "partner", "distance"], rejected)
    _write_rows(folder / NOTES_FILE, ["path", "video_id", "label", "note"], noted)
    by_reason, by_note = (
        dict(collections.Counter(row.kind for row in rows).most_common()) for rows in (rejected, noted)
    )
    shards, start = [], 0
    for name, state in states.items():
        if state.records == 0:  # All its videos were rejected.
            shard_path(folder, name).unlink(missing_ok=True)
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
            f"no row of {settings.manifest} gave a clip: {len(rejected)} rejected ({_by_reason(by_reason)}), "
            f"each with its reason in {folder / REJECTED_FILE}"
        )
    counts = [sum(column) for column in zip(*(state.clips_per_class for state in states.values()), strict=True)]
    description = {
        "format_version": FORMAT_VERSION,
        "classes": list(settings.classes),
        "clips_per_class": dict(zip(settings.classes, counts, strict=True)),
        "clip_seconds": settings.clip_seconds,
        "fps": settings.fps,
        "short_side": settings.short_side,
        "jpeg_quality": settings.jpeg_quality,
        "decoder": settings.decoder,
        "num_clips": start,
        "num_videos": sum(state.videos for state in states.values()),
        "multi_label": any(state.multi_label for state in states.values()),
        "rejected": by_reason,
        "notes": by_note,
        "shards": shards,
        "settings": settings.as_json(),
    }
    sums: dict[str, str | None] = {REJECTED_FILE: None, NOTES_FILE: None}
    sums |= {shard_path(folder, name).name: state.fingerprint for name, state in states.items() if state.records}
    checksums.complete(folder, sums, FILE_NAME, files.json_text(description))
    Progress(folder).clear()


def _write_rows(path: pathlib.Path, columns: list[str], rows: Sequence[Rejection]) -> None:
    with files.atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(columns)
        cells = ([row.path, row.video_id, row.label, row.reason, row.partner, row.distance] for row in rows)
        writer.writerows(row[: len(columns)] for row in cells)


def _by_reason(counts: dict[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
