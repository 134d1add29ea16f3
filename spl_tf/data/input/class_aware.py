"""Class-aware sampling: every class is visited equally often (Shen, Lin, Huang, ECCV 2016).

There, the next clip is the next one of the next class: lists of the clips of each class are gone through, shuffled
again whenever one is exhausted. Distribution-balanced loss (Wu et al., ECCV 2020) is trained so. Here the same visits
are made, but those of an epoch come in the order of blocks, so that shards are read as a whole. What holds:

* Of every n visits in a row the N classes that have a clip get n / N each, give or take one; an epoch of as many visits
  as there are clips is such a row.
* A class's clips are visited without replacement: none a second time before all have been once, epochs notwithstanding.
* All visits of an epoch to one clip fall into the block that its shard is in, at random places of it. So the share of
  a class is exact in an epoch, not in a block: there it depends on the clips that the block's shards happen to hold.
  Blocks of more bytes (`block_bytes`, `block_shards`) are nearer to the paper, one of all shards is as near as it gets.

A clip of several labels is visited for each of them, so that classes that occur together still occur more often
than N in n; a clip without a label is never visited.
"""

import functools
from collections.abc import Callable

import numpy as np
from absl import logging

from spl_tf.data.dataset import ClipDataset
from spl_tf.data.input.order import permutation
from spl_tf.data.input.record_labels import read_record_labels
from spl_tf.data.input.targets import TrainingTargets
from spl_tf.errors import UserError
from spl_tf.labels.targets import DISTRIBUTION, NONE, SingleLabels

# Fourth integers of a key: those of the order of blocks and clips have three.
_CLASSES, _CLIPS = 1, 2

Draws = Callable[[int], np.ndarray]


def class_aware_draws(dataset: ClipDataset, targets: TrainingTargets, seed: int) -> Draws:
    """How often each kept clip is drawn in an epoch, as `BlockOrder.draws`.

    The labels are those of the targets, read from the heads of the records where these carry them.

    Raises:
      UserError: the targets are distributions or none, no clip has a label, or a record can't be read.
    """
    if targets.form == NONE:
        raise UserError("training_clips.class_aware needs labels, the objective learns without: leave it out")
    if targets.form == DISTRIBUTION:
        raise UserError("training_clips.class_aware needs labels, not a distribution over classes: leave it out")
    table = read_record_labels(dataset)[0] if targets.table is None else targets.table
    places = [rows + shard.start for rows, shard in zip(targets.rows, dataset.shards, strict=True)]
    kept = table.take(np.concatenate(places))
    if isinstance(kept, SingleLabels):
        clips, classes = np.arange(len(kept)), kept.labels
    else:
        is_label = kept.values > 0
        clips, classes = np.repeat(np.arange(len(kept)), np.diff(kept.offsets))[is_label], kept.classes[is_label]
    if not len(clips):
        raise UserError(f"{dataset.folder}: no clip has a label, so training_clips.class_aware can visit none")
    if without := len(kept) - len(np.unique(clips)):
        logging.warning(
            "%s: %s of %s clips have no label, class_aware never visits them",
            dataset.folder,
            f"{without:,}",
            f"{len(kept):,}",
        )
    return visits(clips, classes, len(kept), seed)


def visits(clips: np.ndarray, classes: np.ndarray, num_clips: int, seed: int) -> Draws:
    """Epoch -> how often each clip is visited in it, int64 [num_clips]; the sum is `num_clips`.

    Visit v of the endless stream goes to class v mod N in a shuffled order of the classes; visit j of a class of n
    clips to place j mod n of its list as shuffled the (j div n)-th time. So those of an epoch are counted by
    arithmetic, in some 50 microseconds a class.

    Args:
      clips, classes: int [entries], clips and a class that each has; no pair twice.
      num_clips: they are below it.
      seed: non-negative.
    """
    found, counts = np.unique(classes, return_counts=True)
    lists = np.split(clips[np.argsort(classes, kind="stable")], np.cumsum(counts)[:-1])
    turns = permutation(len(found), seed, 0, 0, _CLASSES)

    @functools.lru_cache(maxsize=2)  # Blocks of the epoch that is trained on, and of the next one.
    def of_epoch(epoch: int) -> np.ndarray:
        drawn = np.zeros(num_clips, np.int64)
        for turn, place in enumerate(turns):
            own, label = lists[place], int(found[place])
            for visit, sign in ((epoch * num_clips, -1), ((epoch + 1) * num_clips, 1)):
                # Before a visit of the stream, the class had so many: whole rounds of its list, and a part of one.
                rounds, part = divmod(-((turn - visit) // len(found)), len(own))
                drawn[own] += sign * rounds
                if part:
                    drawn[own[permutation(len(own), seed, label, rounds, _CLIPS)[:part]]] += sign
        drawn.setflags(write=False)
        return drawn

    return of_epoch
