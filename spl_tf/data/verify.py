"""Reads every record of a shard folder back and lists what is wrong with it."""

import collections
import concurrent.futures
import dataclasses
import functools
import itertools
import math
import os
from collections.abc import Iterator

import tensorflow as tf
from tqdm import tqdm

from spl_tf import files
from spl_tf.data.clip import Clip
from spl_tf.data.dataset import (
    FILE_NAME,
    ClipDataset,
    ForeignRecords,
    Shard,
    file_fault,
    read_description,
    require_whole_description,
)
from spl_tf.data.record import FRAMES, clip_from_bytes
from spl_tf.data.record_lengths import impossible_length
from spl_tf.data.record_reading import shard_records
from spl_tf.data.video.scaling import scaled_size
from spl_tf.errors import UserError
from spl_tf.labels.sidecar_files import ids_digest
from spl_tf.remote import mirror

_SHOWN_FAULTS = 100
_THREADS = os.cpu_count() or 1


@dataclasses.dataclass(frozen=True)
class Report:
    """What was found; `str(report)` is the text for the user.

    Attributes:
      dataset: the folder as `dataset.json` describes it.
      num_clips: records that could be read.
      clips_per_class: class name -> clips that carry it, counted.
      faults: one line each, naming shard and record (counted from 0); empty when all is well.
    """

    dataset: ClipDataset
    num_clips: int
    clips_per_class: dict[str, int]
    faults: list[str]

    def __str__(self) -> str:
        width = max(map(len, self.clips_per_class))
        most = max(1, *self.clips_per_class.values())
        lines = [
            f"{name:<{width}} {count:>9,} {'#' * round(40 * count / most)}".rstrip()
            for name, count in self.clips_per_class.items()
        ]
        lines.append(f"{self.dataset.folder}: {self.num_clips:,} clips in {len(self.dataset.shards)} shards")
        lines += [f"FAULT {fault}" for fault in self.faults[:_SHOWN_FAULTS]]
        if len(self.faults) > _SHOWN_FAULTS:
            lines.append(f"... and {len(self.faults) - _SHOWN_FAULTS:,} more")
        lines.append(f"{len(self.faults):,} faults" if self.faults else "no faults")
        return "\n".join(lines)


def verify(folder: files.Path) -> Report:
    """Checks sizes, fingerprints, checksums, ids, labels, times and every JPEG file.

    Raises:
      UserError: `dataset.json` is missing or damaged.
    """
    dataset = read_description(folder)
    findings = _Findings(dataset)
    start = 0
    with (
        concurrent.futures.ThreadPoolExecutor(_THREADS) as pool,
        tqdm(total=dataset.num_clips, desc="verifying", unit="clip") as bar,
    ):
        for shard in dataset.shards:
            if shard.start != start:
                findings.faults.append(f"{shard.name}: {FILE_NAME} says it starts at {shard.start}, not at {start}")
            start += shard.records
            if _check_file(shard, findings.faults):
                _check_shard(shard, findings, pool, bar)
    counts = {name: findings.counts[index] for index, name in enumerate(dataset.classes)}
    if not findings.faults:
        _check_totals(dataset, findings, counts)
    try:
        require_whole_description(folder)
    except UserError as error:
        findings.faults.append(str(error))
    return Report(dataset, findings.num_clips, counts, findings.faults)


class _Findings:
    """What the records read so far add up to."""

    def __init__(self, dataset: ClipDataset):
        self.dataset = dataset
        self.num_clips = 0
        self.counts: collections.Counter[int] = collections.Counter()
        self.places: dict[str, str] = {}
        self.video_ids: set[str] = set()
        self.faults: list[str] = []

    def add(self, clip: Clip, place: str) -> None:
        self.counts.update(label for label in clip.labels if 0 <= label < self.dataset.num_classes)
        self.video_ids.add(clip.video_id)
        first = self.places.setdefault(clip.clip_id, place)
        if first != place:
            self.faults.append(f"{place} has the clip id {clip.clip_id!r} of {first}")


def _check_file(shard: Shard, faults: list[str]) -> bool:
    """Whether there is anything to read."""
    mirror.fetch(shard.path)
    fault = file_fault(shard)
    is_file = os.path.isfile(shard.path)  # A pipe would be waited for.
    if fault is None and files.sha256(*filter(None, (shard.path, shard.heads))) != shard.fingerprint:
        fault = f"has another fingerprint than {FILE_NAME} says: its content was changed"
    if fault:
        faults.append(f"{shard.name} {fault}")
    return is_file


def _check_shard(shard: Shard, findings: _Findings, pool: concurrent.futures.ThreadPoolExecutor, bar: tqdm) -> None:
    clip_ids: list[str] = []
    records = _records(shard, findings.dataset.foreign, findings.faults)
    # A few records at a time: whole videos are large.
    while chunk := list(itertools.islice(records, 4 * _THREADS)):
        for clip, faults in pool.map(functools.partial(_check_record, findings.dataset), chunk):
            place = f"{shard.name} record {len(clip_ids)}"
            findings.faults += [f"{place} {fault}" for fault in faults]
            if clip:
                findings.add(clip, place)
            clip_ids.append(clip.clip_id if clip else "")
            bar.update()
    findings.num_clips += len(clip_ids)
    if len(clip_ids) != shard.records:
        findings.faults.append(f"{shard.name} has {len(clip_ids)} readable records, {FILE_NAME} says {shard.records}")
    elif ids_digest(clip_ids) != shard.ids_digest:
        findings.faults.append(f"{shard.name} has other clip ids than {FILE_NAME} says")


def _records(shard: Shard, foreign: ForeignRecords | None, faults: list[str]) -> Iterator[bytes]:
    """The shard's records up to the first that fails its checksum: nothing after it can be found."""
    count = 0
    impossible = None if foreign and foreign.compression else impossible_length(shard.path)
    records = shard_records(tf.constant(shard.path), foreign)
    if impossible:
        row, fault = impossible
        faults.append(f"{shard.name} record {row} {fault}")
        records = records.take(row)
    try:
        for record in records.as_numpy_iterator():
            yield record
            count += 1
    except tf.errors.OpError as error:
        what = "is damaged" if isinstance(error, tf.errors.DataLossError) else "cannot be read"
        faults.append(f"{shard.name} record {count} {what} ({error.message.split('}} ')[-1].split(' [')[0]})")


def _check_record(dataset: ClipDataset, record: bytes) -> tuple[Clip | None, list[str]]:
    try:
        clip = clip_from_bytes(record, dataset.foreign.frames if dataset.foreign else FRAMES)
    except ValueError as error:
        return None, [str(error)]
    faults = []
    texts = [dataset.classes[label] for label in clip.labels if 0 <= label < dataset.num_classes]
    if not clip.labels and not dataset.foreign:  # Of others, those without may be wanted.
        faults.append("has no label")
    elif len(texts) < len(clip.labels):
        faults.append(f"has a label outside 0 to {dataset.num_classes - 1}: {clip.labels}")
    elif texts != clip.label_texts:
        faults.append(f"is labelled {clip.label_texts}, its class ids say {texts}")
    times = clip.timestamps_us
    if any(later <= earlier for earlier, later in itertools.pairwise(times)):
        faults.append("has timestamps that do not increase")
    if times[0] < clip.start_us or times[-1] > clip.end_us:
        faults.append(f"has timestamps outside {clip.start_us} to {clip.end_us} microseconds")
    for index, frame in enumerate(clip.frames):
        try:
            # Decodes PNG too, which shards of others may hold.
            shape = tuple(tf.io.decode_jpeg(frame, channels=3 if dataset.foreign else 0).shape)
        except tf.errors.InvalidArgumentError:
            faults.append(f"frame {index} is no whole JPEG file")
            continue
        if dataset.foreign:
            shape = (*scaled_size(shape[0], shape[1], dataset.short_side), 3)
        if shape != (clip.height, clip.width, 3):
            faults.append(f"frame {index} is {shape}, not ({clip.height}, {clip.width}, 3)")
    return clip, faults if dataset.foreign else faults + _other_settings(dataset, clip)


def _other_settings(dataset: ClipDataset, clip: Clip) -> list[str]:
    """Where a clip was not made with the settings that `dataset.json` states."""
    faults = []
    if min(clip.height, clip.width) != dataset.short_side:
        faults.append(f"is {clip.width}x{clip.height}, {FILE_NAME} says a short side of {dataset.short_side}")
    # An image has no rate. Records hold float32.
    if clip.frame_rate and not math.isclose(clip.frame_rate, dataset.fps, rel_tol=1e-6):
        faults.append(f"has {clip.frame_rate:g} frames per second, {FILE_NAME} says {dataset.fps:g}")
    if 0 < dataset.clip_seconds < (clip.end_us - clip.start_us - 1) / 1e6:
        faults.append(f"lasts {(clip.end_us - clip.start_us) / 1e6:g} s, {FILE_NAME} says {dataset.clip_seconds:g}")
    return faults


def _check_totals(dataset: ClipDataset, findings: _Findings, counts: dict[str, int]) -> None:
    """Sums that `dataset.json` states; only worth a line when every shard is as it says."""
    for said, found, what in (
        (dataset.num_clips, findings.num_clips, "clips"),
        (dataset.num_videos, len(findings.video_ids), "videos"),
        (dataset.clips_per_class, counts, "clips per class"),
    ):
        if said != found:
            findings.faults.append(f"{FILE_NAME} says {said} {what}, the shards hold {found}")
