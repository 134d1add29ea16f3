"""Teacher, prediction, labels, pre-training, fine-tuning, evaluation: for every strategy and seed."""

import contextlib
import dataclasses
import gc
import pathlib
from collections.abc import Callable, Iterator, Sequence

import gin
import keras

from spl_tf import configuration, files
from spl_tf.data.dataset import load_dataset
from spl_tf.data.shards import summary, write_shards
from spl_tf.errors import UserError
from spl_tf.experiment.steps import Json, run_step
from spl_tf.experiment.table import Result, format_table, write_results
from spl_tf.experiment.video_lists import VideoLists
from spl_tf.inference.evaluate import evaluate_model
from spl_tf.inference.predict import predict_clips
from spl_tf.labels.assign import assign_labels
from spl_tf.labels.classes import read_classes
from spl_tf.labels.strategies import require_strategy
from spl_tf.training.inputs import digest, open_inputs, run_identity
from spl_tf.training.stage import train_stage

_SET_BY_RECIPE = ("train_shards", "validation_shards", "labels_dir", "init_weights", "seed")


@dataclasses.dataclass(frozen=True)
class ShardFolders:
    """Shards of the lists of videos."""

    target: pathlib.Path
    web: pathlib.Path
    test: pathlib.Path
    validation: pathlib.Path | None


@gin.configurable
def recipe(
    output_dir: files.Path,
    *,
    videos: Callable[[pathlib.Path], VideoLists] = gin.REQUIRED,
    strategies: Sequence[str] = ("none", "weak", "spl", "spl_b"),
    seeds: Sequence[int] = (0,),
    fps: float = gin.REQUIRED,
    short_side: int = gin.REQUIRED,
    web_clip_seconds: float = 10.0,
    num_labels: int | None = None,
    min_confidence: float = 0.0,
) -> list[Result]:
    """Runs the method and prints its table; what is done already is not done again.

    Args:
      output_dir: everything is written below it; `results.csv` holds one row per run.
      videos: makes or finds the lists of videos.
      strategies: of `spl_tf.labels.strategies`, or "none" for no pre-training.
      seeds: each one has a teacher of its own, shared by the strategies.
      fps: frames per second of the shards.
      short_side: of their frames, pixels.
      web_clip_seconds: length of the clips cut from web videos (the paper's 10);
        target and test videos are one record each.
      num_labels: classes of SPL-M and SPL-D; None for twice the number of classes.
      min_confidence: teacher confidence below which a clip is not used.

    Raises:
      UserError: an unknown strategy, a binding the recipe sets itself, or what any
        of the stages raises.
    """
    _check(strategies, seeds)
    output_dir = pathlib.Path(output_dir)
    lists = videos(output_dir / "videos")
    _check_labels(len(read_classes(lists.classes)), num_labels, min_confidence)
    print(lists.note, flush=True)
    shards = _make_shards(lists, output_dir / "shards", fps, short_side, web_clip_seconds)
    results = []
    for seed in seeds:
        predictions = None
        if any(strategy != "none" for strategy in strategies):
            predictions = _predictions_of_teacher(output_dir / f"seed{seed}", shards, seed)
        for strategy in strategies:
            folder = output_dir / f"seed{seed}" / strategy
            labels = pretrained = None
            if strategy != "none":
                labels = _labels(folder / "labels", predictions, strategy, num_labels, min_confidence)
                pretrained = _train(
                    "pretrain", folder / "pretrain", seed, train_shards=shards.web, labels_dir=folder / "labels"
                )
            results.append(_fine_tune(folder, shards, seed, strategy, labels, pretrained))
            write_results(output_dir / "results.csv", results)
    print(f"\n{format_table(results)}\n\n{lists.note}\nruns: {output_dir / 'results.csv'}")
    return results


def _check(strategies: Sequence[str], seeds: Sequence[int]) -> None:
    """Refuses what would otherwise be found out hours later."""
    for strategy in strategies:
        if strategy != "none":
            require_strategy(strategy)
    if isinstance(seeds, int) or not seeds:
        raise UserError(f"recipe.seeds = {seeds!r}: give a list such as [0, 1, 2]")
    for name, values in (("strategies", strategies), ("seeds", seeds)):
        if len(set(values)) < len(values):
            raise UserError(f"recipe.{name} = {list(values)}: one of them is listed twice")
    for stage in configuration.STAGES:
        for name in _SET_BY_RECIPE:
            if f"train_stage.{name}" in configuration.stage_bindings(stage):
                raise UserError(f"train_stage.{name} is set by the recipe itself: remove the binding")


def _check_labels(num_classes: int, num_labels: int | None, min_confidence: float) -> None:
    """Likewise, as soon as the number of classes is known."""
    if num_labels is not None and not num_classes <= num_labels <= num_classes**2:
        raise UserError(f"recipe.num_labels = {num_labels}: give {num_classes} to {num_classes**2}")
    if not 0.0 <= min_confidence <= 1.0:
        raise UserError(f"recipe.min_confidence = {min_confidence}: give 0 to 1")


def _make_shards(
    lists: VideoLists, folder: pathlib.Path, fps: float, short_side: int, web_clip_seconds: float
) -> ShardFolders:
    def make(
        name: str, manifest: pathlib.Path, label_column: str, clip_seconds: float, exclude: Sequence[pathlib.Path] = ()
    ) -> pathlib.Path:
        settings = {"fps": fps, "short_side": short_side, "clip_seconds": clip_seconds, "label_column": label_column}
        identity = {key: str(value) for key, value in settings.items()}
        sources = {"manifest": manifest, "classes": lists.classes} | {f"without {path.name}": path for path in exclude}
        identity |= {key: files.sha256(path) for key, path in sources.items()}

        def action() -> Json:
            classes = read_classes(lists.classes)
            dataset = write_shards(manifest, folder / name, classes=classes, exclude=exclude, **settings)
            print(summary(dataset), flush=True)
            return {"clips": dataset.num_clips}

        run_step(folder / name, identity, action, outputs=["dataset.json"])
        return folder / name

    return ShardFolders(
        target=make("target", lists.target, "label", 0.0),
        web=make(
            "web",
            lists.web,
            "query",
            web_clip_seconds,
            exclude=[path for path in (lists.test, lists.validation) if path],
        ),
        test=make("test", lists.test, "label", 0.0),
        validation=lists.validation and make("validation", lists.validation, "label", 0.0),
    )


def _predictions_of_teacher(folder: pathlib.Path, shards: ShardFolders, seed: int) -> pathlib.Path:
    _train("teacher", folder / "teacher", seed, train_shards=shards.target, validation_shards=shards.validation)
    identity = _inference_identity("teacher", "predict_clips", folder / "teacher", shards.web)

    def action() -> Json:
        with gin.config_scope("teacher"), _networks_forgotten():
            return {"clips": predict_clips(folder / "teacher", shards.web, folder / "predictions")["num_clips"]}

    run_step(folder / "predictions", identity, action, outputs=["predictions.json"])
    return folder / "predictions"


def _labels(
    folder: pathlib.Path, predictions: pathlib.Path, strategy: str, num_labels: int | None, min_confidence: float
) -> Json:
    # Only some strategies choose their number of classes, and only those that trust the teacher ask its confidence.
    num_labels = num_labels if strategy in ("spl_m", "spl_d") else None
    min_confidence = 0.0 if strategy == "weak" else min_confidence
    identity = {
        "strategy": strategy,
        "num_labels": str(num_labels),
        "min_confidence": str(min_confidence),
        "predictions": files.sha256(predictions / "predictions.json"),
    }

    def action() -> Json:
        summary = assign_labels(predictions, strategy, folder, num_labels=num_labels, min_confidence=min_confidence)
        return {name: summary[name] for name in ("num_classes", "kept", "noise_ratio", "samples_cover_ratio")}

    return run_step(folder, identity, action, outputs=["summary.json"])


def _train(stage: str, folder: pathlib.Path, seed: int, **inputs: files.Path | None) -> Json:
    """Runs a stage of training; `inputs` as the arguments of `train_stage`."""
    with gin.config_scope(stage):
        opened = {
            name: inputs.get(name) for name in ("train_shards", "labels_dir", "validation_shards", "init_weights")
        }
        identity = run_identity(stage, seed, open_inputs(**opened))

        def action() -> Json:
            with _networks_forgotten():
                return {"clips": train_stage(stage, folder, seed=seed, **inputs)["clips"]}

        return run_step(folder, identity, action, outputs=["folded.keras", "backbone.weights.h5"])


def _fine_tune(
    folder: pathlib.Path,
    shards: ShardFolders,
    seed: int,
    strategy: str,
    labels: Json | None,
    pretrained: Json | None,
) -> Result:
    """Fine-tunes on the target, evaluates on the test set and collects the row of the table."""
    inputs = {"train_shards": shards.target, "validation_shards": shards.validation}
    if pretrained is not None:
        inputs["init_weights"] = folder / "pretrain" / "backbone.weights.h5"
    tuned = _train("finetune", folder / "finetune", seed, **inputs)
    identity = _inference_identity("finetune", "evaluate_model", folder / "finetune", shards.test)

    def action() -> Json:
        with gin.config_scope("finetune"), _networks_forgotten():
            metrics = evaluate_model(folder / "finetune", shards.test, folder / "test")
        return {"top_1": metrics["top_1"], "top_5": metrics["top_5"]}

    tested = run_step(folder / "test", identity, action, outputs=["metrics.json"])
    print(f"{strategy}, seed {seed}: top-1 {100 * tested['top_1']:.1f} %", flush=True)
    return Result(
        strategy=strategy,
        seed=seed,
        classes=labels["num_classes"] if labels else 0,
        clips=pretrained["clips"] if pretrained else 0,
        noise_ratio=labels["noise_ratio"] if labels else None,
        samples_cover_ratio=labels["samples_cover_ratio"] if labels else None,
        top_1=tested["top_1"],
        top_5=tested["top_5"],
        seconds=tuned["seconds"] + (pretrained["seconds"] if pretrained else 0.0),
    )


def _inference_identity(stage: str, configurable: str, model_dir: pathlib.Path, shards: pathlib.Path) -> dict[str, str]:
    bindings = configuration.stage_bindings(stage)
    identity = {name: value for name, value in bindings.items() if name.startswith(f"{configurable}.")}
    return identity | {"model": files.sha256(model_dir / "folded.keras"), "shards": digest(load_dataset(shards))}


@contextlib.contextmanager
def _networks_forgotten() -> Iterator[None]:
    """A process that trains many networks would keep the graphs of all of them."""
    yield
    keras.utils.clear_session(free_memory=False)
    gc.collect()
