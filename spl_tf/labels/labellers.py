"""The idea of the paper: every labelling strategy is one look-up table over the confusion matrix.

Web videos are found by a query, their weak label l. A teacher trained on clean data says what it
sees in a clip, its prediction t. C[l, t] counts the web clips (here N = 3 classes, 310 clips):

                    teacher sees
                 run   jump  swim
         run      90     40     2     On the diagonal query and teacher agree.
  query  jump      7     80    30     Off it a clip is not just noise: "run queried, jump seen"
         swim      1      0    60     is a sub-concept, and can be a class: a Sub-Pseudo Label (SPL).

A strategy gives each cell a class id, or `.` to discard its clips:

   weak    teacher   agreement    spl      spl_b    spl_m    spl_d      (spl_m, spl_d: num_labels=5)
  0 0 0     0 1 2      0 . .     0 1 2     0 3 3    0 3 0    0 3 .
  1 1 1     0 1 2      . 1 .     3 4 5     4 1 4    1 1 4    . 1 4
  2 2 2     0 1 2      . . 2     6 7 8     5 5 2    2 2 2    . . 2

Paper sections 3.1 to 3.3 and figure 3. To add a labeller: write a function that fills a table, with its options as
keyword arguments, and list it in PAIR_LABELLERS. Those that are more than a table (`mopro`, `dawid_skene`,
`crowdlab`) have files of their own.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import logging

from spl_tf.errors import UserError
from spl_tf.labels import pair_labeller
from spl_tf.labels.cell_names import cell_name, distinct_names
from spl_tf.labels.crowdlab_labels import crowdlab
from spl_tf.labels.information_bottleneck import spl_ib
from spl_tf.labels.label_map import LabelMap
from spl_tf.labels.mopro_labels import mopro
from spl_tf.labels.pair_labeller import PairLabeller
from spl_tf.labels.partial_labels import partial
from spl_tf.labels.posterior_labels import cell_posterior, dawid_skene
from spl_tf.labels.targets import DISCARDED


def weak(confusion: np.ndarray, classes: Sequence[str]) -> LabelMap:
    """The query's class, whatever the clip shows: l."""
    return LabelMap("weak", _cells(classes)[0], tuple(classes))


def teacher(confusion: np.ndarray, classes: Sequence[str]) -> LabelMap:
    """The teacher's class, whatever was queried: t."""
    return LabelMap("teacher", _cells(classes)[1], tuple(classes))


def agreement(confusion: np.ndarray, classes: Sequence[str]) -> LabelMap:
    """Only clips on whose class query and teacher agree."""
    query, seen = _cells(classes)
    return LabelMap("agreement", np.where(query == seen, query, np.int32(DISCARDED)), tuple(classes))


def spl(confusion: np.ndarray, classes: Sequence[str]) -> LabelMap:
    """Every cell a class: N * l + t (equation 2)."""
    query, seen = _cells(classes)
    cells = [cell_name(classes, row, column) for row, column in zip(query.flat, seen.flat, strict=True)]
    return LabelMap("spl", len(classes) * query + seen, distinct_names(cells))


def spl_b(confusion: np.ndarray, classes: Sequence[str]) -> LabelMap:
    """Binary merge: l where query and teacher agree, N + l where they do not."""
    query, seen = _cells(classes)
    names = distinct_names([*((name,) for name in classes), *((name, "other") for name in classes)])
    return LabelMap("spl_b", np.where(query == seen, query, len(classes) + query), names)


def spl_m(confusion: np.ndarray, classes: Sequence[str], *, num_labels: int | None = None) -> LabelMap:
    """Merge to diagonal: the largest cells keep a class, the clips of the others become (l, l).

    Args:
      confusion: int [N, N].
      classes: the N class names.
      num_labels: number of classes, N to N * N; None is 2 N.
    """
    table, names = _largest_cells("spl_m", confusion, classes, num_labels)
    tail = table == DISCARDED
    return LabelMap("spl_m", np.where(tail, _cells(classes)[0], table), names, merged=tail)


def spl_d(confusion: np.ndarray, classes: Sequence[str], *, num_labels: int | None = None) -> LabelMap:
    """Discard tail: the same cells as SPL-M, the clips of the others are discarded.

    Args:
      confusion: int [N, N].
      classes: the N class names.
      num_labels: number of classes, N to N * N; None is 2 N.
    """
    return LabelMap("spl_d", *_largest_cells("spl_d", confusion, classes, num_labels))


PAIR_LABELLERS: dict[str, PairLabeller] = {
    entry.name: entry
    for entry in (
        PairLabeller(weak, uses_teacher=False),
        PairLabeller(teacher),
        PairLabeller(agreement),
        PairLabeller(spl),
        PairLabeller(spl_m),
        PairLabeller(spl_d),
        PairLabeller(spl_b),
        PairLabeller(spl_ib),
        PairLabeller(mopro, by_scores=True),
        PairLabeller(dawid_skene),
        PairLabeller(partial),
        PairLabeller(cell_posterior),
        PairLabeller(crowdlab, by_scores=True),
    )
}


def labeller(name: str, /, **options: Any) -> PairLabeller:
    """A labeller by name, with options of its own.

    Raises:
      UserError: there is none of that name, it has no such option, or one is of the wrong type.
    """
    entry = pair_labeller.find(name, PAIR_LABELLERS)
    return pair_labeller.with_options(entry, options, PAIR_LABELLERS.values())


def _cells(classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Weak label and teacher prediction of every cell, two int32 [N, N]."""
    query, seen = np.indices((len(classes), len(classes)), dtype=np.int32)
    return query, seen


def _largest_cells(
    name: str, confusion: np.ndarray, classes: Sequence[str], num_labels: int | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Table and class names of the cells that SPL-M and SPL-D keep, all other cells discarded.

    Ids 0 .. N-1 are the diagonal cells, kept even when empty. Then come the most frequent
    off-diagonal cells by falling count, ties by the lowest cell id N * l + t. An empty
    off-diagonal cell is never kept: with too few others there are fewer classes, with a warning.

    Args:
      name: the labeller, for messages.
      confusion: int [N, N].
      classes: the N class names.
      num_labels: the number of classes K * N of the paper; None is K = 2.

    Raises:
      UserError: `num_labels` is less than N or more than N * N.
    """
    num_classes = len(classes)
    if num_labels is None:
        num_labels = min(2 * num_classes, num_classes**2)
    if not num_classes <= num_labels <= num_classes**2:
        raise UserError(
            f"num_labels is {num_labels}, but {name} over {num_classes} classes makes "
            f"{num_classes} to {num_classes**2}: choose a number between them"
        )
    counts = confusion.ravel().copy()
    counts[:: num_classes + 1] = 0
    # A stable sort leaves equal counts in the order of their cell ids.
    largest = np.argsort(-counts, kind="stable")[: num_labels - num_classes]
    largest = largest[counts[largest] > 0]
    if num_classes + len(largest) < num_labels:
        logging.warning(
            "%s makes %d classes instead of %d: only %d off-diagonal cells of the confusion matrix hold clips",
            name,
            num_classes + len(largest),
            num_labels,
            len(largest),
        )
    table = np.full(num_classes**2, DISCARDED, np.int32)
    table[:: num_classes + 1] = np.arange(num_classes)
    table[largest] = num_classes + np.arange(len(largest))
    kept = [cell_name(classes, *divmod(int(cell), num_classes)) for cell in largest]
    return table.reshape(num_classes, num_classes), distinct_names([*((name,) for name in classes), *kept])
