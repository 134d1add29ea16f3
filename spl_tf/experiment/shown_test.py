"""What TensorBoard shows of a test: its numbers by strategy in the tab HParams, every class, the confusion matrix."""

import pathlib
import shutil
from collections.abc import Mapping

import numpy as np

from spl_tf import files
from spl_tf.errors import UserError
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.training.board import write_evaluation

_METRICS = (
    "top_1",
    "top_5",
    "hit_at_1",
    "mean_class_accuracy",
    "mean_average_precision",
    "micro_average_precision",
)
_MEASURES = ("accuracy", "average_precision")
_AGAIN = "run spl_tf.recipe again"


def show_test(folder: pathlib.Path, shown: Mapping[str, str | int]) -> None:
    """Writes `logs` of the results that `evaluate_model` left in a folder.

    Args:
      folder: of the test.
      shown: what tells it from other tests, columns of HParams.
    """
    classes, found = read_test(folder)
    logs = folder / "logs"
    shutil.rmtree(logs, ignore_errors=True)  # Of a run that was stopped: TensorBoard would show both.
    write_evaluation(logs, "test", found, classes, {"stage": "test", **shown})


def read_test(folder: pathlib.Path) -> tuple[tuple[str, ...], Evaluation]:
    """Class names and results of a test.

    Raises:
      UserError: its numbers are missing or damaged.
    """
    path = folder / "metrics.json"
    content = files.read_json(path, _AGAIN)
    try:
        metrics = {name: float(content[name]) for name in _METRICS if content.get(name) is not None}
        rows = content.get("per_class", {})
        per_class = {
            measure: np.array([np.nan if row[measure] is None else row[measure] for row in rows.values()], np.float64)
            for measure in _MEASURES
            if rows and all(measure in row for row in rows.values())
        }
        confusion = None
        if (folder / "confusion.npy").exists():
            confusion = np.load(folder / "confusion.npy", allow_pickle=False)
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(f"{folder} holds no whole results of a test ({error}): {_AGAIN}") from error
    return tuple(rows), Evaluation(metrics, per_class, confusion)
