"""Cells merged by what the teacher sees in them, where SPL-M keeps the largest: an information bottleneck."""

from collections.abc import Sequence

import numpy as np

from spl_tf.errors import UserError
from spl_tf.labels.cell_names import cell_name, distinct_names
from spl_tf.labels.label_map import LabelMap
from spl_tf.labels.targets import DISCARDED

# Exact merging looks at all pairs. Of more cells the smallest, which hold few clips, first join the nearest
# one with their query or their prediction.
_MOST_CELLS = 1024


def spl_ib(
    confusion: np.ndarray, classes: Sequence[str], mean_scores: np.ndarray, *, num_labels: int | None = None
) -> LabelMap:
    """As many classes as SPL-M, of cells in which the teacher sees alike.

    Every cell with clips is a class; then the two whose union loses least are merged, again and again, until
    `num_labels` are left. Lost is information on what the teacher sees: (w_a + w_b) * JS(q_a, q_b), w the clips and q
    the teacher's mean distribution (agglomerative information bottleneck, Slonim and Tishby 1999). No two diagonal
    cells come into one class, and each keeps its class even when it is empty: ids 0 .. N-1, the others by falling
    count. A class without a diagonal cell is called after its largest cell. No clip is discarded.

    Args:
      confusion: int [N, N].
      classes: the N class names.
      mean_scores: float [N, N, N], the teacher's mean distribution over the clips of each cell, see `statistics`.
      num_labels: number of classes, N to N * N; None is 2 N. With fewer cells than that there are fewer classes.

    Raises:
      UserError: `num_labels` is less than N or more than N * N.
    """
    num_classes = len(classes)
    num_labels = min(2 * num_classes, num_classes**2) if num_labels is None else num_labels
    if not num_classes <= num_labels <= num_classes**2:
        raise UserError(
            f"num_labels is {num_labels}, but spl_ib over {num_classes} classes makes {num_classes} to "
            f"{num_classes**2}: choose a number between them"
        )
    counts = confusion.ravel()
    is_diagonal = np.arange(len(counts)) % (num_classes + 1) == 0
    # Diagonal cells first, then the others by falling count, equal ones by their id.
    cells = np.lexsort((np.where(is_diagonal, 0, -counts), ~is_diagonal))
    cells = cells[is_diagonal[cells] | (counts[cells] > 0)]
    sums = counts[cells, np.newaxis] * mean_scores.reshape(-1, num_classes)[cells]
    class_of = _merged(sums, np.divmod(cells, num_classes), num_classes, num_labels)
    table = np.full(num_classes**2, DISCARDED, np.int32)
    table[cells] = _numbered(class_of, counts[cells], num_classes)
    heads = [cells[np.flatnonzero(table[cells] == number)[0]] for number in range(num_classes, table.max() + 1)]
    names = [(name,) for name in classes] + [cell_name(classes, *divmod(int(cell), num_classes)) for cell in heads]
    return LabelMap("spl_ib", table.reshape(num_classes, num_classes), distinct_names(names))


def _numbered(class_of: np.ndarray, counts: np.ndarray, num_classes: int) -> np.ndarray:
    """Classes, the first `num_classes` as they are, the others by falling count of clips, as numbers without gaps."""
    others = np.unique(class_of[class_of >= num_classes])
    totals = np.bincount(class_of, counts, len(class_of))[others]
    numbers = np.arange(len(class_of))
    numbers[others[np.argsort(-totals, kind="stable")]] = num_classes + np.arange(len(others))
    return numbers[class_of]


def _merged(sums: np.ndarray, pairs: tuple[np.ndarray, np.ndarray], num_apart: int, num_left: int) -> np.ndarray:
    """Which cell each cell belongs to, int64 [M], a place among them.

    Args:
      sums: sums of the teacher's distributions over the clips of M cells, float64 [M, N].
      pairs: the cells' queries and predictions, int64 [M] each.
      num_apart: of the first so many no two come together.
      num_left: how many are left.
    """
    sums, class_of = sums.copy(), np.arange(len(sums))
    exact = max(_MOST_CELLS, num_left)
    for place in range(exact, len(sums)):
        near = np.flatnonzero(np.logical_or(*(ids[:exact] == ids[place] for ids in pairs)))
        class_of[place] = near[_losses(sums[place], sums[near]).argmin()]
        sums[class_of[place]] += sums[place]
    sums = sums[:exact]
    losses = np.stack([_losses(one, sums) for one in sums])
    losses[np.tril_indices(len(sums))] = np.inf  # Of a pair the first stays.
    losses[:num_apart, :num_apart] = np.inf
    for _ in range(len(sums) - num_left):
        kept, gone = np.unravel_index(losses.argmin(), losses.shape)
        if not np.isfinite(losses[kept, gone]):
            break  # Only cells that stay apart are left.
        sums[kept] += sums[gone]
        class_of[class_of == gone] = kept
        losses[gone], losses[:, gone] = np.inf, np.inf
        found = _losses(sums[kept], sums)
        for row in (losses[kept], losses[:, kept]):
            row[np.isfinite(row)] = found[np.isfinite(row)]
    return class_of


def _losses(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(w_a + w_b) * JS(q_a, q_b) of one sum [N] with others [M, N], w the sum's total and q its distribution, nats."""
    return np.maximum(_information(one) + _information(others) - _information(one + others), 0.0)


def _information(sums: np.ndarray) -> np.ndarray:
    """sum v log v - s log s over the last axis, s the total: less the entropy of v / s, times s."""
    totals = sums.sum(axis=-1)
    return _entropy_terms(sums).sum(axis=-1) - _entropy_terms(totals)


def _entropy_terms(values: np.ndarray) -> np.ndarray:
    return values * np.log(np.where(values > 0, values, 1.0))
