"""What the web clips really show: for analysis, and for queries of a known quality; never for training as such."""

import collections
import csv
import pathlib
from collections.abc import Sequence

import numpy as np

from spl_tf.errors import UserError


def clip_truths(
    clip_ids: Sequence[str], truth: pathlib.Path, classes: Sequence[str], clip_seconds: float
) -> np.ndarray:
    """The action that fills most of each clip.

    Args:
      clip_ids: `<video id>@<start in milliseconds>`, as `spl_tf.shard` names them.
      truth: `web_truth.csv`: video_id, start_s, end_s, action.
      classes: ordered class names.
      clip_seconds: length of a clip.

    Returns:
      int32 [n].

    Raises:
      UserError: the list is damaged or of other classes, or it does not tell what a clip shows.
    """
    shown = _read_truth(truth, classes)
    truths = []
    for clip_id in clip_ids:
        video, milliseconds = clip_id.rsplit("@", 1)
        if video not in shown:
            raise UserError(f"{truth} does not tell what {video} shows: it belongs to another web.csv")
        start = int(milliseconds) / 1000
        seconds = np.zeros(len(classes))
        for begin, end, action in shown[video]:
            seconds[action] += max(0.0, min(end, start + clip_seconds) - max(begin, start))
        if not seconds.any():
            raise UserError(f"{truth} does not tell what clip {clip_id} shows: it belongs to another web.csv")
        truths.append(seconds.argmax())
    return np.array(truths, np.int32)


def _read_truth(truth: pathlib.Path, classes: Sequence[str]) -> dict[str, list[tuple[float, float, int]]]:
    """Start, end (seconds) and class of each stretch of each video."""
    shown = collections.defaultdict(list)
    with open(truth, newline="", encoding="utf-8") as opened:
        reader = csv.DictReader(opened)
        if lacking := {"video_id", "start_s", "end_s", "action"} - set(reader.fieldnames or ()):
            raise UserError(f"{truth} lacks the columns {', '.join(sorted(lacking))}: see tools/ucf6/README.md")
        for row in reader:
            where = f"{truth} line {reader.line_num}"
            if row["action"] not in classes:
                raise UserError(f"{where}: action {row['action']!r} is not in classes.txt: correct one of them")
            try:
                stretch = float(row["start_s"]), float(row["end_s"]), classes.index(row["action"])
            except (TypeError, ValueError) as error:
                raise UserError(f"{where}: start_s and end_s must be seconds") from error
            shown[row["video_id"]].append(stretch)
    return shown


def label_truth_table(labels: np.ndarray, truths: np.ndarray, num_labels: int, num_classes: int) -> np.ndarray:
    """Clips by label and truth, int64 [num_labels + 1, num_classes]; the last row has the discarded ones (label -1).

    Raises:
      ValueError: a label is none of the `num_labels`; the next one would count as discarded.
    """
    if labels.size and labels.max() >= num_labels:
        raise ValueError(f"label {labels.max()} is none of {num_labels}")
    rows = np.where(labels < 0, num_labels, labels)
    table = np.zeros((num_labels + 1, num_classes), np.int64)
    np.add.at(table, (rows, truths), 1)
    return table


def purity(table: np.ndarray) -> np.ndarray:
    """Share of each label's clips that show its most frequent action, float [labels]; nan for a label without clips."""
    clips = table.sum(axis=1)
    return np.divide(table.max(axis=1), clips, out=np.full(len(table), np.nan), where=clips > 0)
