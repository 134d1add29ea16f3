"""What TensorBoard shows of a test: its numbers by strategy in the tab HParams, every class, the confusion matrix."""

import pathlib
from collections.abc import Mapping

import msgspec
import numpy as np

from spl_tf.arrays import map_array
from spl_tf.errors import UserError
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.remote import mirror
from spl_tf.stored import read_json
from spl_tf.training.board import write_evaluation

_MEASURES = ("accuracy", "average_precision")
_CONFUSION = "confusion.npy"
_AGAIN = "run spl_tf.recipe again"


class _Numbers(msgspec.Struct):
    """What is shown of `metrics.json`."""

    per_class: dict[str, dict[str, float | None]] = {}
    top_1: float | None = None
    top_5: float | None = None
    hit_at_1: float | None = None
    hit_at_5: float | None = None
    mean_class_accuracy: float | None = None
    mean_average_precision: float | None = None
    mean_average_precision_many: float | None = None
    mean_average_precision_some: float | None = None
    mean_average_precision_few: float | None = None
    micro_average_precision: float | None = None


_METRICS = [name for name in _Numbers.__struct_fields__ if name != "per_class"]


def show_test(folder: pathlib.Path, shown: Mapping[str, str | int]) -> None:
    """Writes `logs` of the results that `evaluate_model` left in a folder.

    Args:
      folder: of the test.
      shown: what tells it from other tests, columns of HParams.
    """
    classes, found = read_test(folder)
    logs = folder / "logs"
    mirror.remove_folder(logs)  # Of a run that was stopped: TensorBoard would show both.
    write_evaluation(logs, "test", found, classes, {"stage": "test", **shown})


def read_test(folder: pathlib.Path) -> tuple[tuple[str, ...], Evaluation]:
    """Class names and results of a test.

    Raises:
      UserError: its numbers are missing or damaged.
    """
    content = read_json(folder / "metrics.json", _Numbers, _AGAIN)
    metrics = {name: value for name in _METRICS if (value := getattr(content, name)) is not None}
    rows = content.per_class
    per_class = {
        measure: np.array([row[measure] for row in rows.values()], np.float64)  # None becomes NaN.
        for measure in _MEASURES
        if rows and all(measure in row for row in rows.values())
    }
    confusion = None
    if (folder / _CONFUSION).exists():
        confusion = np.array(map_array(folder / _CONFUSION, _AGAIN))
        if confusion.shape != (len(rows), len(rows)):
            raise UserError(f"{folder / _CONFUSION} is of other classes than metrics.json: {_AGAIN}")
    return tuple(rows), Evaluation(metrics, per_class, confusion)
