"""What arms have in common, found from the configuration alone: which of them share which step, and where it lies."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import gin

from spl_tf import configuration
from spl_tf.errors import UserError
from spl_tf.experiment.arms import Arm
from spl_tf.experiment.video_lists import list_settings
from spl_tf.losses.cross_entropy import softmax_cross_entropy
from spl_tf.training.identity import first_difference, stage_settings

CLEAN, WEB, TEACHER = "clean shards", "web shards", "teacher"
PREDICTIONS, RELABELLED = "predictions", "relabelled predictions"

# Of no meaning for the clean sets.
_OF_WEB_LIST = ("video_folder.web", "video_folder.web_classes", "video_folder.both_labels", "video_folder.how_to_get")

Places = dict[str, str]


def shared_places(arms: Sequence[Arm]) -> dict[Arm, Places]:
    """Where each arm's shared steps lie: step -> name of what it `shares`.

    A step that is the same for an arm before lies in that one's folder, whatever the other is called: arms with another
    web set need no second teacher. Arms of one name whose steps differ would undo each other's work.

    Args:
      arms: all of an experiment, even if some of them are run only: places depend on the order.

    Raises:
      UserError: there are such arms, or an arm's bindings are of the recipe.
    """
    settings: dict[tuple[str, str], dict[str, str]] = {}  # By step and share.
    first: dict[tuple[str, str], Arm] = {}
    places: dict[Arm, Places] = {}
    for arm in arms:
        places[arm] = {}
        for step, wanted in _settings_of_steps(arm).items():
            alike = (share for (other, share), known in settings.items() if other == step and known == wanted)
            if (share := next(alike, None)) is None:
                share = arm.shares
                if (step, share) in settings:
                    names = f"arms {first[step, share].name!r} and {arm.name!r}"
                    difference = first_difference(settings[step, share], wanted)
                    raise UserError(
                        f"{names} have one folder for their {step}, but {difference}: "
                        f"give {arm.name!r} a folder of its own, e.g. 'shares': '{arm.name}'"
                    )
                settings[step, share], first[step, share] = wanted, arm
            places[arm][step] = share
    return places


def asks_for_network(arm: Arm) -> bool:
    """Whether its noise matrix is estimated by a network that has learned the weak labels."""
    return arm.transition is not None and "network" in inspect.signature(arm.transition).parameters


def arm_of_network(arms: Sequence[Arm], arm: Arm) -> Arm | None:
    """The one whose pre-training makes that network: it does what `arm` does, but with cross-entropy; None for none."""
    wanted, _ = _pretraining_and_loss(arm)
    for other in arms:
        if other.transition is None and other.labels == arm.labels:
            settings, loss = _pretraining_and_loss(other)
            if settings == wanted and loss in (None, softmax_cross_entropy):
                return other
    return None


def loss_with_matrix() -> str | None:
    """The name of the loss that gin says to the pre-training, if it asks for a noise matrix."""
    loss = _loss()
    return loss.__name__ if loss is not None and "transition" in inspect.signature(loss).parameters else None


def _pretraining_and_loss(arm: Arm) -> tuple[dict[str, Any], Callable | None]:
    """What an arm is pre-trained on and how; and its loss, None for the usual one."""
    names = ("round", "num_labels", "min_confidence", "init_weights", "self_supervised")
    own = {name: getattr(arm, name) for name in names}
    step_settings = _settings_of_steps(arm)
    labelled = step_settings.get(RELABELLED, step_settings.get(PREDICTIONS))
    with configuration.overridden(arm.bindings):
        settings = {name: value for name, value in stage_settings("pretrain").items() if name != "train_stage.loss"}
        return {"settings": settings, "labelled": labelled} | own, _loss()


def _loss() -> Callable | None:
    with gin.config_scope("pretrain"):
        return gin.get_bindings("train_stage").get("loss")


def _settings_of_steps(arm: Arm) -> dict[str, dict[str, str]]:
    """What makes each step of an arm that could be shared, as flat text."""
    recipe_bindings = _bindings("", "recipe.")
    with configuration.overridden(arm.bindings):
        if difference := first_difference(recipe_bindings, _bindings("", "recipe.")):
            raise UserError(
                f"bindings of arm {arm.name!r}: {difference}, but all arms have it in common: remove it there"
            )
        lists = list_settings()
        clean = {name: value for name, value in lists.items() if name not in _OF_WEB_LIST}
        steps = {CLEAN: clean}
        if not arm.needs_web:
            return steps
        steps[WEB] = lists | {"web_clips_per_class": str(arm.web_clips_per_class)}
        if not arm.asks_predictions:
            return steps
        steps[TEACHER] = clean | stage_settings("teacher") | {"teacher_shards": repr(arm.teacher_shards)}
        steps[PREDICTIONS] = steps[TEACHER] | steps[WEB] | _bindings("teacher", "predict_clips.")
        if arm.relabelled is not None:
            steps[RELABELLED] = steps[PREDICTIONS] | {"relabelled": repr(arm.relabelled)}
        return steps


def _bindings(stage: str, prefix: str) -> dict[str, str]:
    bindings = configuration.stage_bindings(stage)
    return {name: value for name, value in bindings.items() if name.startswith(prefix)}
