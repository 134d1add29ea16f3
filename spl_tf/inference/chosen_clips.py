"""A few clips out of a folder of shards: which they are, what side-cars say of them, and their middle view."""

import dataclasses
import difflib
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from spl_tf import files
from spl_tf.data import record_decoding
from spl_tf.data.dataset import ClipDataset
from spl_tf.data.input.reading import readable
from spl_tf.data.record_reading import shard_records, with_possible_lengths
from spl_tf.data.sidecars import Place, labels_of_shard, open_labels_of
from spl_tf.errors import UserError
from spl_tf.inference.trained_model import ClipInput
from spl_tf.labels.prediction_batches import read_teacher
from spl_tf.labels.predictions import Predictions
from spl_tf.labels.sidecar_files import read_predictions

DISCARDED = "discarded"
"""Shown for the SPL class of a clip that labelling left out."""

# Skipping moves on in the file, but fills the reader's buffer at every record.
_BUFFER_BYTES = 1 << 14


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which clips: the first `num_clips` of all, of one weak label or of one SPL class, or those of given ids."""

    num_clips: int = 20
    clip_ids: Sequence[str] = ()
    label: str | None = None
    spl_class: str | None = None


def choose(
    dataset: ClipDataset, choice: Choice, predictions: Predictions | None, labels_dir: files.Path | None
) -> list[Place]:
    """The places of the chosen clips, in the order of the ids or of the data set.

    Args:
      dataset: the shards.
      choice: which clips.
      predictions: of exactly these shards. Without, ids and weak labels are read from the records,
        which takes as long as reading the shards up to the last clip.
      labels_dir: what spl_tf.label wrote for the shards, for an SPL class.

    Raises:
      UserError: more than one way to choose, an id or a class that is not there, side-cars or
        records that can't be read, or no clip.
    """
    ways = {"--clips": choice.clip_ids, "--label": choice.label, "--spl_class": choice.spl_class}
    given = [name for name, value in ways.items() if value]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} each choose clips: give one of them")
    if choice.clip_ids:
        return _places_of_ids(dataset, choice.clip_ids, predictions)
    if choice.label:
        places = _places_of_label(dataset, choice.label, predictions)
    elif choice.spl_class:
        places = _places_of_spl_class(dataset, choice.spl_class, labels_dir)
    else:
        places = (Place(position, row) for position, shard in enumerate(dataset.shards) for row in range(shard.records))
    chosen = list(itertools.islice(places, choice.num_clips))
    if not chosen:
        raise UserError(
            f"{dataset.folder} holds no clip of {choice.label or choice.spl_class or 'any class'}: choose other clips"
        )
    return chosen


def class_index(name: str, classes: Sequence[str], where: str) -> int:
    """Position of a class; a UserError with the nearest names where it is none."""
    if name not in classes:
        near = difflib.get_close_matches(name, classes, n=3, cutoff=0.5) or classes[:3]
        raise UserError(f"{where} has no class {name!r}: choose one of its {len(classes)}, like {', '.join(near)}")
    return classes.index(name)


def with_teacher(dataset: ClipDataset, places: Sequence[Place], predictions: Predictions) -> list[Place]:
    """The same places with the teacher's class and confidence.

    Raises:
      UserError: a side-car is damaged.
    """
    said = {
        position: read_teacher(predictions, dataset.shards[position].name)
        for position in {place.shard for place in places}
    }
    return [
        dataclasses.replace(place, teacher=int(teacher[place.row]), confidence=float(confidence[place.row]))
        for place in places
        for teacher, confidence in [said[place.shard]]
    ]


def spl_classes(dataset: ClipDataset, places: Sequence[Place], labels_dir: files.Path) -> list[str]:
    """Names of the classes that labelling gave the clips; raises as `read_labels` does."""
    summary = open_labels_of(dataset, labels_dir)
    given = {
        position: labels_of_shard(dataset.shards[position], summary).labels
        for position in {place.shard for place in places}
    }
    labels = (given[place.shard][place.row] for place in places)
    return [summary.class_names[label] if label >= 0 else DISCARDED for label in labels]


def read_clips(
    dataset: ClipDataset, places: Sequence[Place], clip_input: ClipInput, batch_size: int
) -> Iterator[dict[str, np.ndarray]]:
    """The middle view of each clip, as evaluation sees it; only the records of these clips are read.

    Returns:
      batches in the order of `places`, of dicts:
        "clips" uint8 [B, T, S, S, 3], RGB;
        "has_label" bool [B, N]: of every class, whether the record has it;
        "clip_id" string [B].

    Raises:
      UserError: a record can't be read.
    """

    @tf.autograph.experimental.do_not_convert
    def read(path: tf.Tensor, row: tf.Tensor) -> tf.data.Dataset:
        checked = with_possible_lengths(path, dataset.foreign)
        return shard_records(checked, dataset.foreign, _BUFFER_BYTES).skip(row).take(1)

    @tf.autograph.experimental.do_not_convert
    def decode(content: tf.Tensor) -> dict[str, tf.Tensor]:
        clip = record_decoding.parse(content, dataset.foreign)
        each = tf.one_hot(clip.labels, dataset.num_classes, on_value=True, off_value=False, dtype=tf.bool)
        return {
            "clips": clip_input.uniform(clip),
            "has_label": tf.reduce_any(each, axis=0),
            "clip_id": clip.clip_id,
        }

    paths = [dataset.shards[place.shard].path for place in places]
    rows = np.array([place.row for place in places], np.int64)
    elements = tf.data.Dataset.from_tensor_slices((paths, rows)).flat_map(read)
    elements = elements.apply(tf.data.experimental.assert_cardinality(len(places)))
    elements = elements.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    with readable(dataset.folder):
        yield from elements.batch(batch_size).prefetch(1).as_numpy_iterator()


def _places_of_ids(dataset: ClipDataset, clip_ids: Sequence[str], predictions: Predictions | None) -> list[Place]:
    wanted, example = set(clip_ids), ""
    found: dict[str, Place] = {}
    for place, clip_id, _ in _ids_and_labels(dataset, predictions):
        example = example or clip_id
        if clip_id in wanted:
            found.setdefault(clip_id, place)
            if len(found) == len(wanted):
                break
    if missing := [clip_id for clip_id in clip_ids if clip_id not in found]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(
            f"{dataset.folder} has no clip {missing[0]!r}{more}: give whole ids; its first one is {example!r}"
        )
    return [found[clip_id] for clip_id in dict.fromkeys(clip_ids)]


def _places_of_label(dataset: ClipDataset, name: str, predictions: Predictions | None) -> Iterator[Place]:
    label = class_index(name, dataset.classes, f"--label: {dataset.folder}")
    return (place for place, _, labels in _ids_and_labels(dataset, predictions) if label in labels)


def _places_of_spl_class(dataset: ClipDataset, name: str, labels_dir: files.Path | None) -> Iterator[Place]:
    if labels_dir is None:
        raise UserError("--spl_class needs the labels: give the folder that spl_tf.label wrote as --labels")
    summary = open_labels_of(dataset, labels_dir)
    label = class_index(name, summary.class_names, f"--spl_class: {labels_dir}")
    for position, shard in enumerate(dataset.shards):
        labels = labels_of_shard(shard, summary).labels
        yield from (Place(position, int(row)) for row in np.flatnonzero(labels == label))


def _ids_and_labels(
    dataset: ClipDataset, predictions: Predictions | None
) -> Iterator[tuple[Place, str, Sequence[int]]]:
    """Place, id and weak labels of every clip in the order of the data set, where possible from side-cars."""
    if predictions is None:
        yield from _ids_and_labels_of_records(dataset)
        return
    for position, shard in enumerate(dataset.shards):
        rows = itertools.count()
        for batch in read_predictions(predictions.path(shard.name), ["clip_id", "weak"]):
            for clip_id, weak in zip(*(batch.column(name).to_pylist() for name in ("clip_id", "weak")), strict=True):
                yield Place(position, next(rows)), clip_id, weak if isinstance(weak, list) else [weak]


def _ids_and_labels_of_records(dataset: ClipDataset) -> Iterator[tuple[Place, str, Sequence[int]]]:
    @tf.autograph.experimental.do_not_convert
    def parse(content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        clip = record_decoding.parse(content, dataset.foreign)
        return clip.clip_id, clip.labels

    with tqdm(total=dataset.num_clips, desc="find clips", unit="clip", delay=1) as bar, readable(dataset.folder):
        for position, shard in enumerate(dataset.shards):
            path = with_possible_lengths(tf.constant(shard.path), dataset.foreign)
            records = shard_records(path, dataset.foreign).map(parse, num_parallel_calls=tf.data.AUTOTUNE)
            for row, (clip_id, labels) in enumerate(records.as_numpy_iterator()):
                yield Place(position, row), clip_id.decode(), labels
                bar.update()
