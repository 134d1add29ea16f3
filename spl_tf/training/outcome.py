"""What a stage leaves in its folder, and which of its weights: the last or the best on validation."""

import dataclasses
import math
import pathlib
from collections.abc import Callable
from typing import Any, NotRequired, TypedDict

import keras
import msgspec

from spl_tf import checksums, configuration, files
from spl_tf.errors import UserError
from spl_tf.hardware.hosts import ALONE, Hosts
from spl_tf.inference import stage_folder
from spl_tf.inference.trained_model import ClipInput, folded_for_storage, save_trained
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.models.transfer import save_backbone_weights
from spl_tf.models.weight_files import require_sound_weights
from spl_tf.stored import Count, Seconds, read_json

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
    remedy = f"delete {stage_folder.FINISHED} beside it and run the same command again"
    metrics = read_json(model_dir / METRICS, Metrics, f"{remedy}, which only writes what was trained")
    stage_folder.require_whole(model_dir / METRICS)
    return metrics


def finished_metrics(model_dir: pathlib.Path) -> Metrics | None:
    """What a stage noted that has ended; None for one that has not.

    Raises:
      UserError: a file that it wrote is missing or damaged.
    """
    if not (model_dir / stage_folder.FINISHED).exists():
        return None
    for name in checksums.listed(model_dir):
        stage_folder.require_whole(model_dir / name)
    return read_metrics(model_dir)


class _Stored(msgspec.Struct):
    """`evaluations.json`: every evaluation so far, and the checksum of the best one's weights where they are kept."""

    evaluations: list[Evaluated] = []
    best_sha256: str | None = None


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
        stored = self._stored()
        history = [entry for entry in stored.evaluations if entry["step"] < step]
        best_sha256 = stored.best_sha256
        if self._decides and not math.isfinite(metrics[self.by]):
            raise UserError(
                f"the validation's {self.by} can't be measured (no clip of it has a class), so it selects no weights "
                "and ends no training: give other train_stage.validation_shards"
            )
        if self.keeps_best and all(metrics[self.by] > entry[self.by] for entry in history):
            with files.atomic_path(self._weights_path(step)) as path:
                model.save_weights(path)
            best_sha256 = files.sha256(self._weights_path(step))
        measured = {name: value for name, value in metrics.items() if math.isfinite(value)}  # JSON has no NaN.
        content = {"evaluations": [*history, {"step": step, **measured}], "best_sha256": best_sha256}
        files.write_json(self._history_path, checksums.sealed(content))
        if self.keeps_best:
            for path in self.folder.glob("best-*.weights.h5"):
                if path != self._weights_path(self.step(step)):
                    path.unlink()

    def history(self) -> list[Evaluated]:
        """Every evaluation so far, oldest first."""
        return self._stored().evaluations

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

    def load_into(self, model: keras.Model, hosts: Hosts = ALONE) -> None:
        """Puts the selected weights into the model; a UserError where they are not those that were selected."""
        if not self.keeps_best:
            return
        step, wanted = hosts.first_says(lambda: (self.step(0), self._stored().best_sha256))
        path = self._weights_path(step)
        if not hosts.is_first:
            hosts.await_file(path)
        if wanted and (not path.is_file() or files.sha256(path) != wanted):
            raise UserError(f"{path} is missing or damaged: {self._remedy}")
        require_sound_weights(path, self._remedy)
        model.load_weights(path)

    def _stored(self) -> _Stored:
        path = self._history_path
        if not path.exists():
            return _Stored()
        kind: Any = _Stored | list[Evaluated]
        stored = read_json(path, kind, self._remedy)
        if isinstance(stored, list):  # Of older versions.
            stored = _Stored(stored)
        else:
            checksums.unsealed(read_json(path, dict[str, Any], self._remedy), path, self._remedy)
        for name in ("step", self.by) if self._decides else ("step",):
            if any(name not in entry for entry in stored.evaluations):
                raise UserError(f"{path} is damaged (an entry without {name}): {self._remedy}")
        return stored

    def _weights_path(self, step: int) -> pathlib.Path:
        return self.folder / f"best-{step}.weights.h5"

    @property
    def _remedy(self) -> str:
        if not self._decides:
            return "delete this file alone and run the same command: metrics.json lacks the evaluations before, then"
        return f"copy it again, or move {self.folder.parent} away and train again"

    @property
    def _history_path(self) -> pathlib.Path:
        return self.folder / "evaluations.json"


def write_outcome(
    model_dir: pathlib.Path,
    network: keras.Model,
    trunk: keras.Model,
    build_folded: Callable[[], keras.Model],
    classes: tuple[str, ...],
    clip_input: ClipInput,
    target: str,
    counts: ClassCounts,
    metrics: Metrics,
) -> None:
    """Writes the finished network in every form a later command needs; checksums and the marker come last.

    Equal weights give equal bytes, so that what was built on a network stands when its files are written once more.

    Args:
      model_dir: the stage's folder.
      network: what is kept for inference, with the selected weights.
      trunk: its backbone, handed on to a later stage.
      build_folded: makes a new network of the same configuration in its folded form.
      classes: names of the head's classes.
      clip_input: what the network was trained on.
      target: what it was trained towards, see `spl_tf.labels.targets`.
      counts: clips of every class in training.
      metrics: content of `metrics.json`.
    """
    with files.atomic_path(model_dir / "model.keras") as path:
        network.save(path)
        stage_folder.drop_chance(path)
    save_backbone_weights(trunk, model_dir / stage_folder.BACKBONE)
    folded = folded_for_storage(network, build_folded)
    save_trained(model_dir, folded, classes, clip_input, target, counts.clips.tolist())
    configuration.write_operative_config(model_dir / "operative_config.gin")
    files.write_json(model_dir / METRICS, metrics)
    written = (
        "model.keras",
        stage_folder.BACKBONE,
        stage_folder.NETWORK,
        "model.json",
        "operative_config.gin",
        METRICS,
    )
    marker = files.json_text({"steps": metrics["steps"]})
    checksums.complete(model_dir, dict.fromkeys(written), stage_folder.FINISHED, marker)
