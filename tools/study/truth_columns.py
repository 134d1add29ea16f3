"""Columns of a row that compare weak labels, predictions and the labels made of them with what web clips show."""

from collections.abc import Callable

import numpy as np

from spl_tf.experiment.arms import Arm
from spl_tf.experiment.runner import Runner
from spl_tf.experiment.table import Result
from spl_tf.labels import predictions as prediction_files
from spl_tf.labels.classes import read_classes
from spl_tf.labels.label_folder import read_summary
from tools.study.results import Row
from tools.study.steps import read_sidecar
from tools.study.truth import label_truth_table


def truth_columns(runner: Runner, arm: Arm, result: Result, truths_of: Callable[[list[str]], np.ndarray]) -> Row:
    """How many weak labels and predictions are right, and what the classes of the new label space show.

    Labels that are no classes, distributions or candidates, have no such table.

    Args:
      runner, arm, result: of the row; without a web set there are no columns.
      truths_of: clip ids -> classes, int [n].
    """
    if result.web is None:
        return {}
    source = prediction_files.open_predictions(result.web.predictions)
    tables = [read_sidecar(source.path(shard)) for shard in source.shards]
    weak, teacher = (np.concatenate([table[name] for table in tables]) for name in ("weak", "teacher"))
    truths = truths_of([clip_id for table in tables for clip_id in table["clip_id"]])
    row: Row = {"weak_right": float(np.mean(weak == truths)), "teacher_right": float(np.mean(teacher == truths))}
    folder = runner.folder(arm, result.seed) / "labels"
    made = [read_sidecar(folder / f"{shard}.parquet") for shard in source.shards]
    if "label" not in made[0]:
        return row
    names = list(read_summary(folder).class_names)
    num_classes = len(read_classes(runner.sets.lists(arm).classes))
    labels = np.concatenate([table["label"] for table in made])
    table = label_truth_table(labels, truths, len(names), num_classes)
    return row | {"label_names": names, "label_truth": table.tolist()}
