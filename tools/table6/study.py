"""Table 6 on a small data set as a study."""

import csv
import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import gin
import numpy as np

from spl_tf import files
from spl_tf.errors import UserError
from spl_tf.experiment.arms import Arm
from spl_tf.experiment.noise_matrices import counted_transition
from spl_tf.experiment.runner import Runner
from spl_tf.experiment.table import Result
from spl_tf.labels.classes import read_classes
from spl_tf.training.stage import train_stage
from tools.study.results import Row
from tools.study.run import Study
from tools.study.truth_columns import truth_columns
from tools.table6.rows import ROWS, VARIANTS, all_arms
from tools.table6.rows import Arm as Key


def table6_study(output_dir: files.Path, num_seeds: int, variant: str = "") -> Study:
    """With the settings of the recipe's gin file, and a variant's of them."""
    # The plain rows come first: what a variant has in common with them lies in their folders.
    keys = [key for name in dict.fromkeys(("", variant)) for key in all_arms(num_seeds, name)]
    arms = {key: _arm(key) for key in keys}
    return Study(output_dir, arms, ROWS["weak"], settings_of=_lists_of_arm, columns_of=_compare_with_truth)


def _arm(key: Key) -> Arm:
    """A row, with the bindings of its variant."""
    row = ROWS[key.row]
    if not key.variant:
        return row
    variant = VARIANTS[key.variant]
    bindings = [
        _longer(stage, times)
        for stage, times in (
            ("teacher", variant.target_times),
            ("pretrain", variant.pretrain_times),
            ("finetune", variant.target_times),
        )
        if times != 1
    ]
    if variant.target:
        bindings.append(f"video_folder.target = {variant.target!r}")
        bindings.append(f"video_folder.validation = {variant.validation!r}")
    shares = key.variant if variant.target else ""
    return dataclasses.replace(row, name=f"{key.variant}-{key.row}", bindings=(*row.bindings, *bindings), shares=shares)


def _longer(stage: str, times: float) -> str:
    with gin.config_scope(stage):
        epochs = gin.get_bindings(train_stage).get("epochs")
    if epochs is None:
        raise UserError(f"gin has no {stage}/train_stage.epochs, which --variant multiplies: give it a --gin_file")
    return f"{stage}/train_stage.epochs = {epochs * times}"


def _lists_of_arm(runner: Runner, arm: Arm) -> Row:
    """Lists that some arms only have: of both labels, where the noise matrix is counted on it, and a clean set."""
    digests = {}
    if arm.transition is counted_transition and (listed := runner.sets.lists(arm).both_labels) is not None:
        digests["both labels"] = files.sha256(listed)
    if arm.shares:
        digests["target"] = files.sha256(runner.sets.lists(arm).target)
    return digests


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
