"""One class at a time for clips of several labels: CCE and CCE-Mask of NoisyActions2M (table 3, algorithm 1)."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import gin
import numpy as np
import tensorflow as tf

from spl_tf.data.dataset import ClipDataset
from spl_tf.data.input.record_labels import read_record_labels
from spl_tf.data.input.targets import TrainingTargets
from spl_tf.errors import UserError
from spl_tf.labels.one_label import NO_LABEL, balanced_labels, labelled_videos, random_labels
from spl_tf.labels.targets import SEVERAL, SINGLE, SparseTargets
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.losses.masked_cross_entropy import masked_cross_entropy
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.metrics.multi_label import evaluate_with_groups
from spl_tf.metrics.video_scores import VideoScores
from spl_tf.training.objectives.objective import Batch, Objective, Outputs, Rows

ASSIGNMENTS = ("random", "balanced")


class OneOfSeveral(Objective):
    """Softmax scores against one label of each video; validated, like several labels, by average precision.

    Which label a clip has is a function of the seed, the epoch and its video alone: of no step, no batch, no host.
    """

    target = SEVERAL
    predicts = SINGLE
    measured = ("accuracy", "hit_at_1")
    selected_by = "mean_average_precision"

    def __init__(self, assignment: str, mask_others: bool):
        if assignment not in ASSIGNMENTS:
            raise UserError(f"one_of_several.assignment = {assignment!r}: choose {' or '.join(ASSIGNMENTS)}")
        self._assignment = assignment
        self._mask_others = mask_others
        self._counts: ClassCounts

    def targets(self, joined: TrainingTargets, dataset: ClipDataset, seed: int) -> TrainingTargets:
        """Adds the label of every epoch; clips without any label are left out, and their number is told."""
        table, videos = read_record_labels(dataset)
        if isinstance(joined.table, SparseTargets):
            table = joined.table
        offsets, classes, video_of = labelled_videos(table, videos)
        has_label = video_of != NO_LABEL
        starts = [shard.start for shard in dataset.shards]
        rows = [own[has_label[own + start]] for own, start in zip(joined.rows, starts, strict=True)]
        chosen = dataclasses.replace(joined, rows=rows, table=table)
        if not chosen.num_clips:
            raise UserError(f"{dataset.folder}: no clip has a label, nothing is left to train on")
        if without := joined.num_clips - chosen.num_clips:
            print(f"{dataset.folder}: {without:,} of {joined.num_clips:,} clips have no label and are left out")

        # A batch may hold clips of two epochs, and 2,000,000 clips take 8 MB an epoch.
        @functools.lru_cache(maxsize=2)
        def one_label(epoch: int) -> np.ndarray:
            if self._assignment == "random":
                labels = random_labels(offsets, classes, seed)
            else:
                labels = balanced_labels(offsets, classes, seed, epoch)
            return np.where(has_label, labels[video_of], np.int32(NO_LABEL))

        return dataclasses.replace(chosen, one_label=one_label)

    def build(self, num_classes: int, num_clips: int, counts: ClassCounts) -> None:
        self._counts = counts

    def losses(self, outputs: Outputs, batch: Batch, rows: Rows, epoch: tf.Tensor) -> tf.Tensor:
        masked = batch["known"] == 0.0
        if self._mask_others:
            masked |= batch["labels"] > 0.0
        return masked_cross_entropy(batch["label"], outputs["logits"], masked)

    def measures(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """The shares of clips whose highest score is of the label they are trained towards, and of any they have."""
        first = tf.argmax(outputs["logits"], axis=-1, output_type=tf.int32)
        return {
            "accuracy": tf.cast(first == batch["label"], tf.float32),
            "hit_at_1": tf.gather(batch["labels"], first, batch_dims=1),
        }

    def describe(self, targets: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[str]:
        lines = []
        for label, labels in zip(targets["label"], targets["labels"], strict=True):
            others = [name for index, name in enumerate(classes) if labels[index] and index != label]
            lines.append(f"{classes[label]} (of {', '.join(others)} too)" if others else classes[label])
        return lines

    def evaluate(self, videos: VideoScores, classes: Sequence[str]) -> Evaluation:
        return evaluate_with_groups(videos, self._counts.clips)


@gin.configurable
def one_of_several(*, assignment: str = "random", mask_others: bool = False) -> OneOfSeveral:
    """One label of those of a video at a time, by softmax cross-entropy; all clips of a video share it.

    The paper's CCE is the default; its CCE-Mask is "balanced" with `mask_others`. Network and scores are those of
    `single_label`. At the start the heads of all records are read.

    Args:
      assignment: "random": a uniformly random label of each video, once. "balanced": labels spread over the classes,
        anew in every epoch (algorithm 1, see `spl_tf.labels.one_label.balanced_labels`).
      mask_others: the other labels of a clip leave the denominator of its softmax, so that it counts neither for nor
        against them. Classes of which nothing is known always do.
    """
    return OneOfSeveral(assignment, mask_others)
