"""What an experiment is made of, each a step: shards, training, predictions, labels, test."""

import contextlib
import dataclasses
import gc
import pathlib
from collections.abc import Callable, Iterator, Sequence

import gin
import keras

from spl_tf import configuration, files
from spl_tf.cleaning.labellers import LabelSource, find_labeller
from spl_tf.data.building.shards import summary, write_shards
from spl_tf.data.dataset import load_dataset
from spl_tf.experiment.resumable import Json, run_step
from spl_tf.experiment.table import Result
from spl_tf.inference.evaluation import evaluate_model
from spl_tf.inference.prediction import predict_clips
from spl_tf.labels.classes import read_classes
from spl_tf.training.identity import digest, open_inputs, run_identity
from spl_tf.training.stage import train_stage

NO_PRETRAINING = "none"
# What the table needs of the labels' summary.
_OF_SUMMARY = ("num_classes", "kept", "noise_ratio", "samples_cover_ratio")
CORRECTIONS = ("forward_correction", "backward_correction")


@dataclasses.dataclass(frozen=True)
class CleanShards:
    """Shards of the clean sets, on which every run is fine-tuned, maybe validated, and tested."""

    target: pathlib.Path
    test: pathlib.Path
    validation: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True)
class WebLabels:
    """What a pre-training learns from.

    Attributes:
      shards: of the web set.
      predictions: side-cars of a teacher over it.
      num_labels: classes of SPL-M and SPL-D; None for twice the number of classes.
      min_confidence: teacher confidence below which a clip is not used.
      teacher: folder of that teacher, whose features cleaning needs.
    """

    shards: pathlib.Path
    predictions: pathlib.Path
    num_labels: int | None = None
    min_confidence: float = 0.0
    teacher: pathlib.Path | None = None


def make_shards(
    manifest: pathlib.Path,
    folder: pathlib.Path,
    *,
    classes: pathlib.Path,
    label_column: str,
    clip_seconds: float,
    fps: float,
    short_side: int,
    clips_per_class: int | None = None,
    exclude: Sequence[pathlib.Path] = (),
    keep_duplicates: bool = False,
) -> pathlib.Path:
    """Cuts a list of videos into shards; arguments as of `write_shards`."""
    settings = {
        "fps": fps,
        "short_side": short_side,
        "clip_seconds": clip_seconds,
        "label_column": label_column,
        "clips_per_class": clips_per_class,
        "keep_duplicates": keep_duplicates,
    }
    identity = {key: str(value) for key, value in settings.items()}
    sources = {"manifest": manifest, "classes": classes} | {f"without {path.name}": path for path in exclude}
    identity |= {key: files.sha256(path) for key, path in sources.items()}

    def action() -> Json:
        dataset = write_shards(manifest, folder, classes=read_classes(classes), exclude=exclude, **settings)
        print(summary(dataset), flush=True)
        return {"clips": dataset.num_clips}

    run_step(folder, identity, action, outputs=["dataset.json"])
    return folder


def train(stage: str, folder: pathlib.Path, seed: int, **arguments: files.Path | float | None) -> Json:
    """Runs a stage of training; `arguments` as of `train_stage`, beside what gin says to the stage."""
    with gin.config_scope(stage):
        inputs = ("train_shards", "labels_dir", "validation_shards", "init_weights")
        identity = run_identity(stage, seed, open_inputs(**{name: arguments.get(name) for name in inputs}))
        identity |= {f"train_stage.{name}": str(value) for name, value in arguments.items() if name not in inputs}

        def action() -> Json:
            with networks_forgotten():
                return {"clips": train_stage(stage, folder, seed=seed, **arguments)["clips"]}

        return run_step(folder, identity, action, outputs=["folded.keras", "backbone.weights.h5"])


def predict(model_dir: pathlib.Path, web: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """A network's predictions of every web clip, as gin says to the teacher."""
    identity = _inference_identity("teacher", "predict_clips", model_dir, web)

    def action() -> Json:
        with gin.config_scope("teacher"), networks_forgotten():
            return {"clips": predict_clips(model_dir, web, folder)["num_clips"]}

    run_step(folder, identity, action, outputs=["predictions.json"])
    return folder


def run_strategy(
    strategy: str,
    seed: int,
    folder: pathlib.Path,
    clean: CleanShards,
    web: WebLabels | None,
    round_number: int = 1,
    init_weights: files.Path | None = None,
    transition: Callable[..., pathlib.Path] | None = None,
) -> Result:
    """Labels, pre-training, fine-tuning and test of one strategy; the row of the table.

    Args:
      strategy: of `spl_tf.cleaning.labellers`, or "none".
      seed: of cleaning, pre-training and fine-tuning.
      folder: gets `labels`, `pretrain`, `finetune` and `test`.
      clean: target and test set.
      web: what to pre-train on; None for "none".
      round_number: 1 when the predictions are the teacher's, one more for every student since.
      init_weights: backbone to begin with, e.g. inflated from images; None for random weights.
      transition: makes the matrix of a correction loss, see `noise_matrices`; None where the loss needs none.
    """
    labels = pretrained = None
    inputs = {"train_shards": clean.target, "validation_shards": clean.validation, "init_weights": init_weights}
    if strategy != NO_PRETRAINING:
        labels = label(folder / "labels", web, clean.target, strategy, seed)
        bindings = []
        if transition is not None:
            matrix = transition(web.shards, folder / "labels", folder / "transition", seed, init_weights)
            bindings = [f"{loss}.transition = {str(matrix)!r}" for loss in CORRECTIONS]
        with configuration.overridden(bindings):
            pretrained = train(
                "pretrain",
                folder / "pretrain",
                seed,
                train_shards=web.shards,
                labels_dir=folder / "labels",
                init_weights=init_weights,
            )
        inputs["init_weights"] = folder / "pretrain" / "backbone.weights.h5"
    tuned = train("finetune", folder / "finetune", seed, **inputs)
    tested = _test(folder / "finetune", clean.test, folder / "test")
    return Result(
        strategy=strategy,
        seed=seed,
        round=round_number,
        classes=labels["num_classes"] if labels else 0,
        clips=pretrained["clips"] if pretrained else 0,
        noise_ratio=labels["noise_ratio"] if labels else None,
        samples_cover_ratio=labels["samples_cover_ratio"] if labels else None,
        top_1=tested["top_1"],
        top_5=tested["top_5"],
        mean_average_precision=tested.get("mean_average_precision"),
        seconds=tuned["seconds"] + (pretrained["seconds"] if pretrained else 0.0),
    )


def label(folder: pathlib.Path, web: WebLabels, clean: pathlib.Path, strategy: str, seed: int) -> Json:
    """Labels of the web clips by a strategy of `spl_tf.cleaning.labellers`."""
    labeller = find_labeller(strategy)
    digests = {"web": digest(load_dataset(web.shards)), "clean": digest(load_dataset(clean))}
    source = LabelSource(web.shards, web.predictions, web.teacher, clean, digests, web.min_confidence, web.num_labels)

    def action() -> Json:
        with networks_forgotten():
            summary = labeller.write(source, folder, seed)
        return {name: summary[name] for name in _OF_SUMMARY}

    return run_step(folder, labeller.identity(source, seed), action, outputs=["summary.json"])


def _test(model_dir: pathlib.Path, test: pathlib.Path, folder: pathlib.Path) -> Json:
    identity = _inference_identity("finetune", "evaluate_model", model_dir, test)

    def action() -> Json:
        with gin.config_scope("finetune"), networks_forgotten():
            metrics = evaluate_model(model_dir, test, folder)
        names = ["top_1", "top_5"]
        if "evaluate_model.background" in identity:
            names.append("mean_average_precision")
        return {name: metrics[name] for name in names}

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
