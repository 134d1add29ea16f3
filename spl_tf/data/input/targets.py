"""What the clips of a data set are trained towards: joined with their shards once, looked up by the clip's index."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from spl_tf.data.dataset import ClipDataset
from spl_tf.data.record_decoding import EncodedClip
from spl_tf.data.sidecars import labels_of_shard
from spl_tf.errors import UserError
from spl_tf.labels.label_folder import Summary
from spl_tf.labels.sidecar_files import LabelColumn
from spl_tf.labels.targets import CANDIDATES, NONE, SEVERAL, SINGLE, SingleLabels, SparseTargets, Targets, require_form


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingTargets:
    """The clips of a data set that training uses, and their targets.

    Attributes:
      form: of the targets in a batch, see `spl_tf.labels.targets`.
      classes: names of the N classes.
      rows: int64 [kept] for every shard, the rows training uses, ascending.
      clips_of_class: int64 [N], clips that have each class, or an entry of their distribution.
      table: targets of every clip of the data set; None: those that its record carries.
      weights: float32 [clips of the data set]; None: all 1.
      one_label: epoch -> int32 [clips of the data set], of each clip the one of its labels that it is trained towards
        in that epoch; None where it is trained towards all.
    """

    form: str
    classes: tuple[str, ...]
    rows: Sequence[np.ndarray]
    clips_of_class: np.ndarray
    table: Targets | None = None
    weights: np.ndarray | None = None
    one_label: Callable[[int], np.ndarray] | None = None

    @property
    def num_clips(self) -> int:
        return sum(map(len, self.rows))

    def for_record(self, clip: EncodedClip) -> dict[str, tf.Tensor]:
        """The targets that a record carries; nothing where they are looked up."""
        if self.table is not None or self.form == NONE:
            return {}
        if self.form == SINGLE:
            return {"labels": _only_label(clip)}
        return {"labels": tf.reduce_max(tf.one_hot(tf.concat([clip.labels, [-1]], 0), len(self.classes)), axis=0)}

    def look_up(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Completes a batch by targets and weights.

        Args:
          batch: "index" int64 [b], the clips' places in the data set; where targets are a function of the epoch, also
            "epoch" int64 [b]. A batch may hold clips of two epochs.

        Returns:
          the batch with "weights" float32 [b], and
            of form "single": "labels" int32 [b];
            of form "several": "labels" float32 [b, N], 1 for a class the clip has, and "known" float32 [b, N], 0
              for a class of which nothing is known;
            of form "distribution": "labels" float32 [b, N], probabilities;
            of form "candidates": "labels" float32 [b, N], 1 for a class that may be the clip's;
            of form "none": no more;
            with `one_label` in place of "epoch": "label" int32 [b].
        """
        index = batch["index"]
        weights = tf.ones(tf.shape(index)) if self.weights is None else tf.gather(self.weights, index)
        found = {"weights": weights}
        if isinstance(self.table, SingleLabels):
            found["labels"] = tf.gather(self.table.labels, index)
        elif self.table is not None:
            found |= self._dense(self.table, index)
        elif self.form == SEVERAL:
            found["known"] = tf.ones_like(batch["labels"])
        if self.one_label is not None:
            batch = dict(batch)
            epochs = batch.pop("epoch")
            label = tf.numpy_function(self._labels_of, [index, epochs], tf.int32, stateful=False)
            found["label"] = tf.ensure_shape(label, index.shape)
        return batch | found

    def _labels_of(self, index: np.ndarray, epochs: np.ndarray) -> np.ndarray:
        """The `one_label` of clips, each in its epoch; all are [b]."""
        assert self.one_label is not None
        labels = np.empty(len(index), np.int32)
        for epoch in np.unique(epochs):
            rows = epochs == epoch
            labels[rows] = self.one_label(int(epoch))[index[rows]]
        return labels

    def _dense(self, table: SparseTargets, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """Entries of sparse targets spread over the classes."""
        firsts = tf.gather(table.offsets, index)
        entries = tf.ragged.range(firsts, tf.gather(table.offsets, index + 1))
        places = tf.stack([entries.value_rowids(), tf.gather(tf.cast(table.classes, tf.int64), entries.values)], 1)
        values = tf.gather(table.values, entries.values)
        shape = tf.stack([tf.size(index, tf.int64), len(self.classes)])
        labels = tf.ensure_shape(tf.scatter_nd(places, values, shape), [None, len(self.classes)])
        if self.form != SEVERAL:
            return {"labels": labels}
        return {"labels": labels, "known": 1.0 - tf.scatter_nd(places, 1.0 - values, shape)}


def join_targets(dataset: ClipDataset, labels: Summary | None = None, form: str = SINGLE) -> TrainingTargets:
    """Joins a data set with its label side-cars, or takes the labels of the records.

    All side-cars are read and checked at once, so that a foreign one is reported before training
    starts. In memory stay 8 bytes per clip, 8 per kept clip, and what several labels need.

    Args:
      dataset: the shards.
      labels: of these shards, as from `open_labels_of`; clips they discard are left out. None: each record's own.
      form: the targets that are wanted. One label a clip is several labels too; of "none" the records' are ignored.

    Raises:
      UserError: a side-car is missing, damaged or belongs to another shard; a label is no class of the summary; every
        clip is discarded; the targets have another form.
    """
    if labels is None:
        joined = _own_targets(dataset, form)
    else:
        joined = _from_columns([labels_of_shard(shard, labels) for shard in dataset.shards], labels, form)
    if not joined.num_clips:
        reason = "it holds no clip" if labels is None else f"{labels.path.parent} discards all its clips"
        raise UserError(f"{dataset.folder}: {reason}, nothing is left to train on")
    return joined


def _own_targets(dataset: ClipDataset, form: str) -> TrainingTargets:
    rows = [np.arange(shard.records) for shard in dataset.shards]
    if form == NONE:
        return TrainingTargets(form, (), rows, np.zeros(0, np.int64))
    if form not in (SINGLE, SEVERAL, CANDIDATES):
        raise UserError(f"{dataset.folder} has class labels, not a {form}: give label side-cars (labels_dir) with one")
    if dataset.multi_label and form == SINGLE:
        raise UserError(
            f"{dataset.folder} has several labels per clip: train with train_stage.objective = @multi_label or "
            "@one_of_several, or give label side-cars (labels_dir) with one label each"
        )
    counts = np.array(list(dataset.clips_per_class.values()), np.int64)
    if form == SINGLE and (missing := dataset.num_clips - counts.sum()):
        raise UserError(
            f"{dataset.folder} has {missing:,} clips without a label: run {dataset.made_by} without --keep_unlabelled, "
            "or give label side-cars (labels_dir)"
        )
    return TrainingTargets(form, dataset.classes, rows, counts)


def _from_columns(columns: Sequence[LabelColumn], labels: Summary, form: str) -> TrainingTargets:
    tables = [column.targets for column in columns]
    for part in tables:
        require_form(part.form, form, labels.path.parent)
    table = _joined(tables, form)
    return TrainingTargets(
        form=form,
        classes=labels.class_names,
        rows=[np.flatnonzero(part.kept) for part in tables],
        clips_of_class=table.clips_per_class(len(labels.class_names)).round().astype(np.int64),
        table=table,
        weights=np.concatenate([column.weights for column in columns]),
    )


def _joined(tables: Sequence[Targets], form: str) -> Targets:
    """One table of several that have this form, or single labels for several."""
    if form == SINGLE:
        return SingleLabels(np.concatenate([part.labels for part in tables if isinstance(part, SingleLabels)]))
    sparse = [_as_several(part) if isinstance(part, SingleLabels) else part for part in tables]
    sizes = np.concatenate([np.diff(part.offsets) for part in sparse])
    values = {name: np.concatenate([getattr(part, name) for part in sparse]) for name in ("classes", "values", "kept")}
    return SparseTargets(form, np.append(0, np.cumsum(sizes)), **values)


def _as_several(table: SingleLabels) -> SparseTargets:
    offsets = np.append(0, np.cumsum(table.kept))
    return SparseTargets(SEVERAL, offsets, table.classes, np.ones(len(table.classes), np.float32), table.kept)


def _only_label(clip: EncodedClip) -> tf.Tensor:
    """int32 []: the record's only label."""
    single = tf.debugging.Assert(
        tf.size(clip.labels) == 1,
        ["clip", clip.clip_id, "does not have exactly one label: train with label side-cars", clip.labels],
    )
    with tf.control_dependencies([single]):
        return clip.labels[0]
