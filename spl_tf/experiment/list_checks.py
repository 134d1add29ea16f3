"""What can be told of a recipe once its lists are there, before the first shard is cut."""

from collections.abc import Mapping, Sequence
from typing import Any

import gin

from spl_tf import configuration
from spl_tf.data.lists.csv_tables import PATH
from spl_tf.data.lists.labels import texts
from spl_tf.data.lists.rows import read_rows
from spl_tf.errors import UserError
from spl_tf.experiment.arm_sets import ArmSets
from spl_tf.experiment.arms import Arm
from spl_tf.experiment.checks import options_of, stage_options, stages_of
from spl_tf.experiment.tasks import OWN, require_label_options
from spl_tf.experiment.video_lists import VideoLists
from spl_tf.inference.evaluation import evaluate_model
from spl_tf.labels.both_labels import read_both_labels
from spl_tf.labels.classes import read_classes
from spl_tf.labels.targets import SEVERAL, SINGLE


def require_lists(sets: ArmSets, arms: Sequence[Arm]) -> list[str]:
    """Makes or finds the lists of all arms; returns a line on how each of them came to be.

    Raises:
      UserError: some are missing; all are named.
    """
    notes: list[str] = []
    missing: list[str] = []
    for arm in arms:
        try:
            notes.append(sets.lists(arm).note)
        except UserError as error:
            missing.append(str(error).partition("\n  In call to configurable")[0])  # gin says where it was called.
    if missing:
        raise UserError("; ".join(dict.fromkeys(missing)))
    return list(dict.fromkeys(notes))


def require_sound_lists(sets: ArmSets, arms: Sequence[Arm]) -> list[str]:
    """Refuses lists that can't be read, and options that don't fit them.

    Returns:
      Lines on what the user should know.

    Raises:
      UserError: a list has not the columns it needs, labels don't fit the classes, a stage or test asks for what the
        lists don't have.
    """
    num_videos = {}
    for lists in dict.fromkeys(map(sets.lists, arms)):
        _require_columns(lists)
        num_videos[lists] = sum(1 for _ in read_rows(lists.target, "recipe.videos"))
    notes = []
    for arm in arms:
        lists = sets.lists(arm)
        classes = read_classes(lists.classes)
        with configuration.overridden(arm.bindings):
            of_labels = (arm.labels, classes, arm.num_labels, arm.min_confidence)
            own_form = _form_of_web(lists) if arm.labels == OWN else SINGLE
            require_label_options(f"arm {arm.name!r}", *of_labels, own_form)
            for stage in stages_of(arm):
                options = stage_options(stage)
                _require_validation(stage, options, lists)
                batch_size = options["batch_size"]
                learns_web = stage == "pretrain" or (stage == "selfsup" and arm.self_supervised == "web")
                if not learns_web and batch_size > num_videos[lists]:
                    notes.append(
                        f"{stage}/train_stage.batch_size = {batch_size} is more than the {num_videos[lists]} videos of "
                        f"{lists.target}: a step sees some of them several times"
                    )
            with gin.config_scope("finetune"):
                background = options_of("finetune/", evaluate_model)["background"]
            if background is not None and background not in classes:
                raise UserError(f"evaluate_model.background = {background!r} is no class of {lists.classes}")
        if arm.transition is not None and lists.both_labels is not None:
            read_both_labels(lists.both_labels, classes)
    return list(dict.fromkeys(notes))


def _require_validation(stage: str, options: Mapping[str, Any], lists: VideoLists) -> None:
    has_validation = stage not in ("selfsup", "pretrain")
    if has_validation and lists.validation is not None:
        return
    for name, without in (("select", "last"), ("stop_after_evaluations", None)):
        if options.get(name, without) != without:
            why = "pre-training has no validation set: bind it for teacher/ and finetune/ alone"
            if has_validation:
                why = "the lists have no validation set: name one, e.g. video_folder.validation"
            raise UserError(f"{stage}: train_stage.{name} = {options[name]!r}, but {why}")


def _form_of_web(lists: VideoLists) -> str:
    """Of the labels in the web list."""
    assert lists.web is not None  # It would have been refused.
    names = frozenset(read_classes(lists.web_classes or lists.classes))
    rows = read_rows(lists.web, "recipe.videos", "query")
    return SEVERAL if any(len(texts(row.get("query"), names)) > 1 for row in rows) else SINGLE


def _require_columns(lists: VideoLists) -> None:
    """That every list can be read and says of what class its videos are."""
    columns = {lists.target: "label", lists.test: "label", lists.validation: "label", lists.web: "query"}
    for path, label_column in columns.items():
        if path is None:
            continue
        first = next(read_rows(path, "recipe.videos", label_column), None)
        if first is None:
            raise UserError(f"{path} has no rows: give one line per video")
        if absent := [column for column in (PATH, label_column) if column not in first]:
            has = ", ".join(name for name in first if name)
            raise UserError(f"{path} has no column {' and '.join(map(repr, absent))} (it has {has}): add it")
