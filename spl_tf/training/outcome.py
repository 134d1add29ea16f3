"""What a stage leaves in its folder, and which of its weights: the last or the best on validation."""

import dataclasses
import math
import pathlib
from collections.abc import Callable
from typing import NotRequired, TypedDict

import keras

from spl_tf import configuration, files
from spl_tf.errors import UserError
from spl_tf.inference.trained_model import ClipInput, folded_for_storage, save_trained
from spl_tf.models.transfer import save_backbone_weights
from spl_tf.models.weight_files import require_sound_weights
from spl_tf.stored import Count, Seconds, read_json
from spl_tf.training.identity import FINISHED

METRICS = "metrics.json"

Evaluated = dict[str, int | float]  # The step, and what was measured.


class Metrics(TypedDict):
    """`metrics.json` of a stage: how it was trained, its means at the end, and every evaluation on validation."""

    stage: str
    steps: Count
    planned_steps: NotRequired[Count]  # As "train_steps" in no file of an older version.
    clips: Count
    precision: str
    seconds: Seconds
    train: dict[str, float]
    train_steps: NotRequired[list[Count]]  # The first and the last that "train" is over.
    evaluations: list[Evaluated]
    selected_step: Count


def read_metrics(model_dir: pathlib.Path) -> Metrics:
    """What a finished stage has noted of its training.

    Raises:
      UserError: the file is missing or damaged.
    """
    # The stage is then found unfinished, and writes its outcome from the last checkpoint without a step of training.
    remedy = f"delete {FINISHED} beside it, and step.json where there is one, and run the same command again"
    return read_json(model_dir / METRICS, Metrics, f"{remedy}, which only writes what was trained")


@dataclasses.dataclass
class Selection:
    """Every evaluation and the weights of the best on disk, so that a resumed run knows them too.

    Attributes:
      folder: of the checkpoints.
      by: the metric whose largest value is the best.
      keeps_best: whether the best weights are selected; else the last.
      patience: evaluations in a row without a new best that end the run; None for no end before the last step.
    """

    folder: pathlib.Path
    by: str
    keeps_best: bool = False
    patience: int | None = None

    def offer(self, step: int, metrics: dict[str, float], model: keras.Model) -> None:
        """Notes an evaluation; keeps the weights when their metric beats every earlier step's.

        Raises:
          UserError: something depends on the metric, and it could not be measured.
        """
        history = [entry for entry in self.history() if entry["step"] < step]
        if self._decides and not math.isfinite(metrics[self.by]):
            raise UserError(
                f"the validation's {self.by} can't be measured (no clip of it has a class), so it selects no weights "
                "and ends no training: give other train_stage.validation_shards"
            )
        if self.keeps_best and all(metrics[self.by] > entry[self.by] for entry in history):
            with files.atomic_path(self._weights_path(step)) as path:
                model.save_weights(path)
        measured = {name: value for name, value in metrics.items() if math.isfinite(value)}  # JSON has no NaN.
        files.write_json(self._history_path, [*history, {"step": step, **measured}])
        if self.keeps_best:
            for path in self.folder.glob("best-*.weights.h5"):
                if path != self._weights_path(self.step(step)):
                    path.unlink()

    def history(self) -> list[Evaluated]:
        """Every evaluation so far, oldest first."""
        if not self._history_path.exists():
            return []
        remedy = "delete this file to go on without these evaluations"
        history = read_json(self._history_path, list[Evaluated], remedy)
        for name in ("step", self.by) if self._decides else ("step",):
            if any(name not in entry for entry in history):
                raise UserError(f"{self._history_path} is damaged (an entry without {name}): {remedy}")
        return history

    def step(self, last_step: int) -> int:
        """The step whose weights are selected."""
        return int(self._best(self.history())["step"]) if self.keeps_best else last_step

    def has_ended(self, step: int) -> bool:
        """Whether the run ends with the evaluation after `step`; those a killed session made later do not count."""
        if self.patience is None:
            return False
        history = [entry for entry in self.history() if entry["step"] <= step]
        return bool(history) and len(history) - 1 - history.index(self._best(history)) >= self.patience

    def why_ended(self) -> str:
        """The reason in words, for a run that was ended."""
        best = self._best(self.history())
        return (
            f"{self.by} on the validation clips was best after step {best['step']} ({best[self.by]:.4f}), and no later "
            f"evaluation was better, which train_stage.stop_after_evaluations = {self.patience} takes for the end"
        )

    @property
    def _decides(self) -> bool:
        """Whether anything depends on the metric."""
        return self.keeps_best or self.patience is not None

    def _best(self, history: list[Evaluated]) -> Evaluated:
        """The first of the best."""
        return max(history, key=lambda entry: entry[self.by])

    def load_into(self, model: keras.Model) -> None:
        """Puts the selected weights into the model."""
        if self.keeps_best:
            path = self._weights_path(self.step(0))
            require_sound_weights(path, "delete the model folder and train again")
            model.load_weights(path)

    def _weights_path(self, step: int) -> pathlib.Path:
        return self.folder / f"best-{step}.weights.h5"

    @property
    def _history_path(self) -> pathlib.Path:
        return self.folder / "evaluations.json"


def write_outcome(
    model_dir: pathlib.Path,
    network: keras.Model,
    trunk: keras.Model,
    build: Callable[[bool], tuple[keras.Model, keras.Model]],
    classes: tuple[str, ...],
    clip_input: ClipInput,
    target: str,
    metrics: Metrics,
) -> None:
    """Writes the finished network in every form a later command needs; the marker comes last.

    Args:
      model_dir: the stage's folder.
      network: the classifier with the selected weights.
      trunk: its backbone, handed on to a later stage.
      build: folded -> (backbone, classifier), a new network of the same configuration.
      classes: names of the head's classes.
      clip_input: what the network was trained on.
      target: what it was trained towards, see `spl_tf.labels.targets`.
      metrics: content of `metrics.json`.
    """
    with files.atomic_path(model_dir / "model.keras") as path:
        network.save(path)
    save_backbone_weights(trunk, model_dir / "backbone.weights.h5")
    save_trained(model_dir, folded_for_storage(network, lambda: build(True)[1]), classes, clip_input, target)
    configuration.write_operative_config(model_dir / "operative_config.gin")
    files.write_json(model_dir / METRICS, metrics)
    files.write_json(model_dir / FINISHED, {"steps": metrics["steps"]})
