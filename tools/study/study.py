"""The study on ucf6: each of its rows as an arm of an experiment, and what its web clips really show."""

import functools
import pathlib
from collections.abc import Sequence

import gin

from spl_tf import files
from spl_tf.experiment.arms import Arm
from spl_tf.experiment.runner import Runner
from spl_tf.experiment.table import Result
from spl_tf.experiment.video_lists import video_folder
from tools.study import manifests
from tools.study.arms import MAIN, all_arms
from tools.study.arms import Arm as Key
from tools.study.results import Row
from tools.study.run import Study
from tools.study.steps import PartOfTarget, Relabelled, inflated_frames, truths_of
from tools.study.truth_columns import truth_columns
from tools.study.variants import VARIANTS


def ucf6_study(output_dir: files.Path, keys: Sequence[Key] = ()) -> Study:
    """The study of these rows, all by default, with the settings of the recipe's gin file."""
    output_dir = pathlib.Path(output_dir)
    plain = _arm(Key(MAIN, "weak", seed=0), output_dir)
    return Study(
        output_dir, {key: _arm(key, output_dir) for key in keys or all_arms()}, plain, columns_of=_compare_with_truth
    )


def _arm(key: Key, output_dir: pathlib.Path) -> Arm:
    """What a row of the study does otherwise than the recipe."""
    variant = VARIANTS[key.variant]
    bindings, others = list(variant.bindings), []  # Others than the recipe's shards, teacher or predictions.
    if variant.repeats > 1:
        epochs = gin.query_parameter("pretrain/train_stage.epochs")
        bindings.append(f"pretrain/train_stage.epochs = {epochs * variant.repeats}")
    if variant.clips_per_class is not None:
        others.append(f"clips{variant.clips_per_class}")
    if variant.best_ranked < 1:
        others.append(f"best{100 * variant.best_ranked:g}")
        best = output_dir.absolute() / "lists" / f"web-{others[-1]}.csv"
        manifests.write_best_ranked(video_folder(output_dir).web, variant.best_ranked, best)
        bindings.append(f"video_folder.web = {str(best)!r}")
    if key.teacher_share < 1:  # As many steps as the teacher of the whole set.
        others.append(f"share{100 * key.teacher_share:g}")
        epochs = gin.query_parameter("teacher/train_stage.epochs")
        bindings.append(f"teacher/train_stage.epochs = {epochs / key.teacher_share}")
    if key.query_right is not None:
        others.append(f"right{100 * key.query_right:g}")
    # A second round is one of the main study's arm, whose student it asks.
    in_main = key.study == MAIN or key.round > 1
    options = [] if in_main else list(dict.fromkeys([key.study, *([key.variant] if key.variant else others)]))
    return Arm(
        name="-".join([*options, key.strategy]),
        labels=key.strategy,
        num_labels=variant.num_labels,
        min_confidence=key.min_confidence,
        bindings=tuple(bindings),
        round=key.round,
        transition=variant.transition,
        init_weights=inflated_frames if variant.starts_from_frames else None,
        web_clips_per_class=variant.clips_per_class,
        shares="-".join(others),
        teacher_shards=PartOfTarget(key.teacher_share) if key.teacher_share < 1 else None,
        relabelled=Relabelled(key.query_right) if key.query_right is not None else None,
    )


def _compare_with_truth(runner: Runner, arm: Arm, result: Result) -> Row:
    return truth_columns(runner, arm, result, functools.partial(truths_of, runner, arm))
