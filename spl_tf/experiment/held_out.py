"""The step of a recipe that tells how its teacher errs, where labels ask for it."""

import pathlib
import re

import gin

from spl_tf import files
from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError
from spl_tf.experiment.resumable import Clips, Json, run_step
from spl_tf.experiment.tasks import settings_of
from spl_tf.training.cross_validation import cross_validate
from spl_tf.training.identity import open_inputs, run_identity

HELD_OUT = "held_out"
_OWN = "held_out_predictions"


def compiled(same_scene: str | None, where: str) -> re.Pattern[str] | None:
    """A regular expression of the user's; raises UserError that names where it was given."""
    try:
        return None if same_scene is None else re.compile(same_scene)
    except re.error as error:
        raise UserError(f"{where}{same_scene} is no regular expression: {error}") from error


@gin.configurable(denylist=["folder", "seed", "train_shards", "inputs"])
def held_out_predictions(
    folder: pathlib.Path,
    seed: int,
    train_shards: pathlib.Path,
    inputs: dict[str, files.Path | None],
    *,
    num_folds: int = 5,
    same_scene: str | None = None,
) -> pathlib.Path:
    """Predictions of the clean clips by teachers that did not learn from them, for strategies that need them.

    Args:
      folder: for the predictions.
      seed: of the teacher.
      train_shards: what it learns from.
      inputs: further ones of its stage.
      num_folds: parts of the clean clips, and so teachers.
      same_scene: regular expression; videos in whose ids it finds the same text come into one part.
    """
    pattern = compiled(same_scene, f"{_OWN}.same_scene = ")
    with gin.config_scope("teacher"):
        identity = run_identity("teacher", seed, open_inputs(train_shards, **inputs))
    identity |= settings_of("teacher", ["predict_clips"]) | {"folds": str(num_folds), "same scene": str(same_scene)}

    def action() -> Json:
        with gin.config_scope("teacher"):
            cross_validate(
                "teacher", train_shards, folder, num_folds=num_folds, seed=seed, same_scene=pattern, inputs=inputs
            )
        return {"clips": load_dataset(train_shards).num_clips}

    run_step(folder, identity, action, outputs=["predictions.json"], kind=Clips)
    return folder
