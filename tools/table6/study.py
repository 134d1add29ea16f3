"""Table 6 on a small data set as a study."""

import csv
import functools
import pathlib
from collections.abc import Sequence

import numpy as np

from spl_tf import files
from spl_tf.errors import UserError
from spl_tf.experiment.arms import Arm
from spl_tf.experiment.noise_matrices import counted_transition
from spl_tf.experiment.runner import Runner
from spl_tf.experiment.table import Result
from spl_tf.labels.classes import read_classes
from tools.study.results import Row
from tools.study.run import Study
from tools.study.truth_columns import truth_columns
from tools.table6.rows import ROWS, all_arms


def table6_study(output_dir: files.Path, num_seeds: int) -> Study:
    """With the settings of the recipe's gin file."""
    arms = {key: ROWS[key.row] for key in all_arms(num_seeds)}
    return Study(output_dir, arms, ROWS["weak"], settings_of=_counted_on, columns_of=_compare_with_truth)


def _counted_on(runner: Runner, arm: Arm) -> Row:
    """The list of both labels, for rows whose noise matrix is counted on it."""
    if arm.transition is not counted_transition or (listed := runner.sets.lists(arm).both_labels) is None:
        return {}
    return {"both labels": files.sha256(listed)}


def _compare_with_truth(runner: Runner, arm: Arm, result: Result) -> Row:
    """Where the lists have a web_truth.csv beside them: `truth_columns`."""
    lists = runner.sets.lists(arm)
    truth = pathlib.Path(lists.classes).with_name("web_truth.csv")
    if not truth.exists():
        return {}
    return truth_columns(runner, arm, result, functools.partial(_truths, truth, read_classes(lists.classes)))


def _truths(truth: pathlib.Path, classes: Sequence[str], clip_ids: Sequence[str]) -> np.ndarray:
    """Of the list's columns path, which is an image's id, and label."""
    with open(truth, newline="", encoding="utf-8") as opened:
        label_of = {row["path"]: row["label"] for row in csv.DictReader(opened)}
    labels = [label_of.get(clip_id.rsplit("@", 1)[0], "") for clip_id in clip_ids]
    if unknown := [clip_id for clip_id, label in zip(clip_ids, labels, strict=True) if label not in classes]:
        raise UserError(f"{truth} tells no class of classes.txt for {len(unknown)} images, the first {unknown[0]}")
    return np.array([classes.index(label) for label in labels], np.int32)
