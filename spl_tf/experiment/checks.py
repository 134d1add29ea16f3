"""What the configuration of a recipe shows before the first shard is cut; found out later, a mistake costs hours."""

import inspect
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import gin
import keras
import numpy as np

from spl_tf import configuration, files
from spl_tf.cleaning.labellers import find_labeller
from spl_tf.data.building.settings import Settings
from spl_tf.errors import UserError
from spl_tf.experiment.arm_sets import ArmSets
from spl_tf.experiment.arms import Arm
from spl_tf.experiment.shared import loss_with_matrix
from spl_tf.experiment.tasks import networks_forgotten
from spl_tf.hardware.distribution import device_strategy
from spl_tf.hardware.precision import choose_policy
from spl_tf.inference.evaluation import evaluate_model
from spl_tf.inference.prediction import predict_clips
from spl_tf.labels.targets import NONE
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.stages import STAGES
from spl_tf.training.identity import stage_settings
from spl_tf.training.objectives.objective import Objective, make_objective
from spl_tf.training.options import require_fitting_objective, require_options
from spl_tf.training.schedules import schedule_of
from spl_tf.training.stage import train_stage

_SET_BY_RECIPE = ("train_shards", "validation_shards", "labels_dir", "init_weights", "seed")
# Of `train_stage`, those that its own check takes.
_CHECKED = [
    each.name for each in inspect.signature(require_options).parameters.values() if each.kind is each.KEYWORD_ONLY
]
# Any will do to make a schedule with.
_STEPS, _STEPS_PER_EPOCH = 100, 10.0


def require_sound_arms(arms: Sequence[Arm], seeds: Sequence[int], init_weights: files.Path | None) -> None:
    """Refuses what the configuration alone shows to be wrong.

    Raises:
      UserError: seeds are no list of whole numbers, weights are not there, labels are unknown, a transition has no use,
        or a binding is what the recipe itself sets.
    """
    if isinstance(seeds, int | str) or not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise UserError(f"recipe.seeds = {seeds!r}: give a list such as [0, 1, 2]")
    if len(set(seeds)) < len(seeds):
        raise UserError(f"recipe.seeds = {list(seeds)}: one of them is listed twice")
    begun_with = {arm.init_weights for arm in arms} | {init_weights for arm in arms if arm.asks_predictions}
    for path in begun_with:
        if path is not None and not callable(path) and not pathlib.Path(path).is_file():
            raise UserError(
                f"recipe.init_weights: {path} does not exist: tools.convert.inflate makes one of ImageNet's "
                "weights; None starts from random ones"
            )
    for arm in arms:
        with configuration.overridden(arm.bindings):
            if arm.asks_predictions:
                find_labeller(arm.labels)
            _check_transition(arm)
            for stage in STAGES:
                for name in _SET_BY_RECIPE:
                    if f"train_stage.{name}" in configuration.stage_bindings(stage):
                        raise UserError(f"train_stage.{name} is set by the recipe itself: remove the binding")


def _check_transition(arm: Arm) -> None:
    """Under the arm's bindings."""
    if arm.transition is None or not arm.pretrains:
        return
    if loss_with_matrix() is None:
        raise UserError(
            "recipe.transition is for a loss that uses it: bind pretrain/train_stage.loss to @forward_correction or "
            "@backward_correction"
        )
    if arm.labels != "weak":
        raise UserError(
            f"recipe.transition is about the labels of strategy 'weak', not {arm.labels!r}: leave that out of "
            "recipe.strategies, or give the transition to one of recipe.arms"
        )


def require_sound_stages(sets: ArmSets, arms: Sequence[Arm]) -> None:
    """Refuses options of shards, stages, predictions and test that could not work, whatever the lists are.

    Raises:
      UserError: the first one found.
    """
    for quota in dict.fromkeys(arm.web_clips_per_class for arm in arms):
        _require_shard_options(sets, quota)
    known: set[tuple[object, ...]] = set()  # Settings of stages, and of networks, that were found sound.
    for arm in arms:
        with configuration.overridden(arm.bindings):
            for stage in stages_of(arm):
                settings = tuple(sorted(stage_settings(stage).items()))
                if settings not in known:
                    _require_stage(stage, sets.short_side, known)
                    known.add(settings)
            if arm.asks_predictions:
                _require_inference("teacher", predict_clips, sets.short_side)
            _require_inference("finetune", evaluate_model, sets.short_side)


def stages_of(arm: Arm) -> Sequence[str]:
    """Those an arm trains."""
    trained = {
        "selfsup": bool(arm.self_supervised),
        "teacher": arm.asks_predictions,
        "pretrain": arm.pretrains,
        "finetune": True,
    }
    return [stage for stage in STAGES if trained[stage]]


def _require_shard_options(sets: ArmSets, clips_per_class: int | None) -> None:
    """Of clean sets and web set."""
    common: dict[str, Any] = {"fps": float(sets.fps), "short_side": sets.short_side, "jpeg_quality": 90}
    common |= {"manifest": "list", "manifest_sha256": "", "label_column": "", "classes": (), "exclude_sha256": ()}
    of_test, of_web = float(sets.test_clip_seconds), float(sets.web_clip_seconds)
    for seconds, quota in ((0.0, None), (of_test, None), (of_web, clips_per_class)):
        Settings(clip_seconds=seconds, clips_per_class=quota, num_shards=None, seed=0, **common)


def stage_options(stage: str) -> dict[str, Any]:
    """What a stage will be trained with, if that can be; whether there is a validation set, the lists say."""
    with gin.config_scope(stage):
        options = options_of(f"{stage}/", train_stage, _SET_BY_RECIPE)
    checked = {name: options[name] for name in _CHECKED if name in options}
    require_options(device_strategy(), is_validated=True, **checked)
    return options


def _require_stage(stage: str, short_side: int, known_networks: set[tuple[object, ...]]) -> None:
    options = stage_options(stage)
    _require_crop("train_stage", options["crop_size"], short_side)
    choose_policy(options["precision"])
    with gin.config_scope(stage):
        learned = make_objective(options["objective"], **{name: options[name] for name in ("loss", "data_parameters")})
        fitted = {name: options[name] for name in ("accumulation", "num_frames")}
        require_fitting_objective(learned, **fitted, given={})
        if stage == "selfsup" and learned.target != NONE:
            raise UserError("selfsup/train_stage.objective learns from labels: bind it to @pcl or @cvrl")
        rate = options["learning_rate"]
        if callable(rate):
            options_of(f"{stage}/", rate)
        schedule = schedule_of(rate, _STEPS, _STEPS_PER_EPOCH)
        try:
            options["optimizer"](learning_rate=schedule)
        except (TypeError, ValueError) as error:  # Keras' way to refuse an option.
            raise UserError(f"{stage}/train_stage.optimizer: {error}") from error
        bindings = configuration.stage_bindings(stage, _is_of_networks)
        network = (options["backbone"], options["objective"], *sorted(bindings.items()))
        if network not in known_networks:
            require_network(options["backbone"], learned)
            known_networks.add(network)


def _is_of_networks(selector: str) -> bool:
    """Whether a configurable may be part of a network or its loss; one of the user's own modules may."""
    return selector.startswith(("spl_tf.models.", "spl_tf.losses.")) or not selector.startswith(("spl_tf.", "keras."))


def require_network(backbone: Callable[..., keras.Model], learned: Objective) -> None:
    """Builds it for two classes and forgets it: its options are checked in many places on the way."""
    with networks_forgotten():
        learned.head(backbone(folded=False), 2, 0)
        learned.build(2, 2, ClassCounts(np.array([1, 1]), 2))


def _require_inference(stage: str, configurable: Callable[..., Any], short_side: int) -> None:
    """Options of predictions and test."""
    name = configurable.__name__
    with gin.config_scope(stage):
        options = options_of(f"{stage}/", configurable)
    for option, value in options.items():
        if type(value) is int and value < 1:
            raise UserError(f"{name}.{option} = {value}: give 1 or more")
    choose_policy(options["precision"])
    _require_crop(name, options.get("crop_size") or 1, short_side)


def _require_crop(name: str, crop_size: int, short_side: int) -> None:
    if crop_size > short_side:
        raise UserError(
            f"{name}.crop_size = {crop_size} is larger than recipe.short_side = {short_side}: choose a smaller crop, "
            "or larger frames"
        )


def options_of(where: str, configurable: Callable[..., Any], without: Sequence[str] = ()) -> dict[str, Any]:
    """What a configurable's keyword arguments will be in this scope, by gin or by default."""
    name = configurable.__name__
    parameters = inspect.signature(configurable).parameters.values()
    options = {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}
    options |= gin.get_bindings(name)
    for option, value in options.items():
        if option not in without and (value is gin.REQUIRED or value is inspect.Parameter.empty):
            raise UserError(f"{where}{name}.{option} has no value: give one in the gin file or with --gin_param")
    return options
