"""Draws a few clips of every class or cell, each clip with the same chance, in one stream and little memory."""

from collections.abc import Iterator, Sequence

import numpy as np

from spl_tf.data.sidecars import Place, WeakPairs
from spl_tf.data.survey import Survey

_NO_TEACHER = -1


_COLUMNS = {
    "group": np.int64,
    "key": np.float64,
    "shard": np.int64,
    "row": np.int64,
    "teacher": np.int32,
    "confidence": np.float32,
}
_OFFERED = np.dtype(list(_COLUMNS.items()))


class Draw:
    """Keeps of every group the clips with the smallest random keys: a uniform draw without replacement.

    Args:
      size: clips a group gets at most.
      rng: of the keys.
    """

    def __init__(self, size: int, rng: np.random.Generator):
        self._size = size
        self._rng = rng
        self._kept = np.zeros(0, _OFFERED)

    def offer(
        self,
        groups: np.ndarray,
        shards: np.ndarray | int,
        rows: np.ndarray,
        teacher: np.ndarray | int = _NO_TEACHER,
        confidence: np.ndarray | float = 0.0,
    ) -> None:
        """Offers n clips: int [n] groups, negative for none, and what `Place` holds, each [n] or one for all."""
        wanted = groups >= 0
        offered = np.zeros(len(groups), _OFFERED)
        # Every clip takes a key, wanted or not: a group's draw does not hang on which others are drawn.
        columns = (groups, self._rng.random(len(groups)), shards, rows, teacher, confidence)
        for name, column in zip(_COLUMNS, columns, strict=True):
            offered[name] = column
        together = np.concatenate([self._kept, offered[wanted]])
        together = together[np.lexsort((together["key"], together["group"]))]
        first_of_group = np.searchsorted(together["group"], together["group"])
        self._kept = together[np.arange(len(together)) - first_of_group < self._size]

    def places(self, num_groups: int) -> list[list[Place]]:
        """The drawn clips of groups 0 to `num_groups` - 1, in random order."""
        drawn: list[list[Place]] = [[] for _ in range(num_groups)]
        for clip in self._kept:
            place = Place(int(clip["shard"]), int(clip["row"]), int(clip["teacher"]), float(clip["confidence"]))
            drawn[clip["group"]].append(place)
        return drawn


def draw_by_label(seen: Survey, classes: Sequence[int], size: int, rng: np.random.Generator) -> list[list[Place]]:
    """Up to `size` clips of each of these classes, by the labels in the records; a clip may have several."""
    groups = {class_id: group for group, class_id in enumerate(classes)}
    clips = [
        (groups[label], head.shard, head.row) for head in seen.heads for label in set(head.labels) if label in groups
    ]
    draw = Draw(size, rng)
    draw.offer(*np.array(clips, np.int64).reshape(-1, 3).T)
    return draw.places(len(classes))


def draw_by_cell(
    pairs: Iterator[WeakPairs], group_of_cell: np.ndarray, num_groups: int, size: int, rng: np.random.Generator
) -> list[list[Place]]:
    """Up to `size` clips of each group of cells of the confusion matrix.

    Args:
      pairs: of all clips, see `spl_tf.data.sidecars`.
      group_of_cell: int [N, N], rows weak labels, columns predictions: the group, -1 for none.
      num_groups: groups are below it.
      size: clips a group gets at most.
      rng: of the draw.
    """
    draw = Draw(size, rng)
    for batch in pairs:
        rows = batch.first_row + np.arange(len(batch.weak))
        draw.offer(group_of_cell[batch.weak, batch.teacher], batch.shard, rows, batch.teacher, batch.confidence)
    return draw.places(num_groups)


def weak_groups(classes: Sequence[int], num_classes: int) -> np.ndarray:
    """int [N, N]: every cell in the group of its weak label, its place among `classes`; -1 for other labels."""
    groups = np.full((num_classes, num_classes), -1)
    groups[list(classes)] = np.arange(len(classes))[:, None]
    return groups


def cell_groups(confusion: np.ndarray, most: int) -> np.ndarray:
    """int [N, N]: the `most` largest non-empty cells, numbered by falling count and then by place; -1 elsewhere."""
    order = np.argsort(-confusion, axis=None, kind="stable")[: min(most, np.count_nonzero(confusion))]
    groups = np.full(confusion.size, -1)
    groups[order] = np.arange(len(order))
    return groups.reshape(confusion.shape)
