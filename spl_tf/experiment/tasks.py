"""What an experiment is made of, each a step: training, predictions, labels, test."""

import contextlib
import gc
import pathlib
from collections.abc import Iterator

import gin
import keras

from spl_tf import configuration, files
from spl_tf.cleaning.clean_labels import METHODS as CLEANING_METHODS
from spl_tf.cleaning.clean_labels import clean_labels, require_method_options
from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError
from spl_tf.experiment.resumable import Json, run_step
from spl_tf.experiment.sets import WebSet
from spl_tf.inference.evaluation import evaluate_model
from spl_tf.inference.prediction import predict_clips
from spl_tf.labels.assign import assign_labels
from spl_tf.labels.strategies import STRATEGIES, require_strategy
from spl_tf.training.identity import digest, open_inputs, run_identity
from spl_tf.training.stage import train_stage

NO_PRETRAINING = "none"
# All that an arm can be labelled by.
LABELS = (NO_PRETRAINING, *STRATEGIES, *CLEANING_METHODS)
# Their labels don't ask the teacher, so a better one changes nothing.
WITHOUT_TEACHER = (NO_PRETRAINING, "weak")
# What the table needs of the labels' summary, and bindings that cleaning depends on.
_OF_SUMMARY = ("num_classes", "kept", "noise_ratio", "samples_cover_ratio")
_OF_CLEANING = ("cleannet.", "hard_weights.", "clip_features.")
_BACKGROUND = "evaluate_model.background"


def train(stage: str, folder: pathlib.Path, seed: int, **inputs: files.Path | None) -> Json:
    """Runs a stage of training; `inputs` as of `train_stage`, beside what gin says to the stage."""
    with gin.config_scope(stage):
        names = ("train_shards", "labels_dir", "validation_shards", "init_weights")
        identity = run_identity(stage, seed, open_inputs(**{name: inputs.get(name) for name in names}))

        def action() -> Json:
            with networks_forgotten():
                return {"clips": train_stage(stage, folder, seed=seed, **inputs)["clips"]}

        return run_step(folder, identity, action, outputs=["folded.keras", "backbone.weights.h5"])


def predict(model_dir: pathlib.Path, web: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """A network's predictions of every web clip, as gin says to the teacher."""
    identity = _inference_identity("teacher", "predict_clips", model_dir, web)

    def action() -> Json:
        with gin.config_scope("teacher"), networks_forgotten():
            return {"clips": predict_clips(model_dir, web, folder)["num_clips"]}

    run_step(folder, identity, action, outputs=["predictions.json"])
    return folder


def require_labels(labels: str) -> None:
    """Finds what is wrong with a way of labelling, under the gin configuration, before hours of work.

    Raises:
      UserError: there is none of that name, or an option of it is out of range.
    """
    if labels in CLEANING_METHODS:
        with gin.config_scope("pretrain"):
            require_method_options(labels)
    elif labels != NO_PRETRAINING:
        require_strategy(labels)


def require_label_options(where: str, num_classes: int, num_labels: int | None, min_confidence: float) -> None:
    """Likewise, as soon as the number of classes is known.

    Args:
      where: the options were given.
      num_classes: N.
      num_labels: classes of SPL-M and SPL-D.
      min_confidence: teacher confidence below which a clip is not used.
    """
    if num_labels is not None and not num_classes <= num_labels <= num_classes**2:
        raise UserError(f"{where}: num_labels = {num_labels}: give {num_classes} to {num_classes**2}")
    if not 0.0 <= min_confidence <= 1.0:
        raise UserError(f"{where}: min_confidence = {min_confidence}: give 0 to 1")


def make_labels(
    folder: pathlib.Path,
    labels: str,
    web: WebSet,
    clean: pathlib.Path,
    seed: int,
    *,
    num_labels: int | None = None,
    min_confidence: float = 0.0,
) -> Json:
    """Labels of a web set.

    Args:
      folder: for the labels.
      labels: of LABELS, but not "none".
      web: what to label.
      clean: shards of the target set, which cleaning learns from.
      seed: of cleaning.
      num_labels: classes of SPL-M and SPL-D; None for twice the number of classes.
      min_confidence: teacher confidence below which a clip is not used.

    Returns:
      "num_classes", "kept", "noise_ratio" and "samples_cover_ratio" of the summary.
    """
    if labels in CLEANING_METHODS:
        return _clean(folder, web, clean, labels, seed)
    return _label(folder, web, labels, num_labels, min_confidence)


def _label(folder: pathlib.Path, web: WebSet, strategy: str, num_labels: int | None, min_confidence: float) -> Json:
    # Only some strategies choose their number of classes, and only those that trust the teacher ask its confidence.
    num_labels = num_labels if strategy in ("spl_m", "spl_d") else None
    min_confidence = 0.0 if strategy == "weak" else min_confidence
    identity = {
        "strategy": strategy,
        "num_labels": str(num_labels),
        "min_confidence": str(min_confidence),
        "predictions": files.sha256(web.predictions / "predictions.json"),
    }

    def action() -> Json:
        summary = assign_labels(web.predictions, strategy, folder, num_labels=num_labels, min_confidence=min_confidence)
        return {name: summary[name] for name in _OF_SUMMARY}

    return run_step(folder, identity, action, outputs=["summary.json"])


def _clean(folder: pathlib.Path, web: WebSet, clean: pathlib.Path, method: str, seed: int) -> Json:
    """Weak labels weighted or left out by a method of `spl_tf.cleaning`; all methods share the teacher's features."""
    bindings = configuration.stage_bindings("pretrain")
    identity = {name: value for name, value in bindings.items() if name.startswith(_OF_CLEANING)}
    identity |= {
        "method": method,
        "seed": str(seed),
        "model": files.sha256(web.teacher / "folded.keras"),
        "web": digest(load_dataset(web.shards)),
        "clean": digest(load_dataset(clean)),
    }

    def action() -> Json:
        features = web.predictions.with_name("features")
        with gin.config_scope("pretrain"), networks_forgotten():
            summary = clean_labels(web.teacher, web.shards, clean, method, folder, seed, features)
        return {name: summary[name] for name in _OF_SUMMARY}

    return run_step(folder, identity, action, outputs=["summary.json"])


def main_metric() -> str:
    """What the test is about, as gin says to the fine-tuning: its protocol's number."""
    measured = _BACKGROUND in configuration.stage_bindings("finetune")
    return "mean_average_precision" if measured else "top_1"


def evaluate(model_dir: pathlib.Path, shards: pathlib.Path, folder: pathlib.Path) -> Json:
    """The numbers of a network's test, as gin says to the fine-tuning."""
    identity = _inference_identity("finetune", "evaluate_model", model_dir, shards)

    def action() -> Json:
        with gin.config_scope("finetune"), networks_forgotten():
            metrics = evaluate_model(model_dir, shards, folder)
        return {name: metrics[name] for name in dict.fromkeys(("top_1", "top_5", main_metric()))}

    return run_step(folder, identity, action, outputs=["metrics.json"])


def _inference_identity(stage: str, configurable: str, model_dir: pathlib.Path, shards: pathlib.Path) -> dict[str, str]:
    bindings = configuration.stage_bindings(stage)
    identity = {name: value for name, value in bindings.items() if name.startswith(f"{configurable}.")}
    return identity | {"model": files.sha256(model_dir / "folded.keras"), "shards": digest(load_dataset(shards))}


@contextlib.contextmanager
def networks_forgotten() -> Iterator[None]:
    """A process that trains many networks would keep the graphs of all of them."""
    yield
    keras.utils.clear_session(free_memory=False)
    gc.collect()
