"""What an experiment is made of, each a step: training, predictions, labels, test."""

import contextlib
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypedDict

import gin

from spl_tf import configuration, files
from spl_tf.cleaning.labellers import LABELLERS, LabelSource, find_labeller
from spl_tf.data.dataset import load_dataset
from spl_tf.errors import UserError
from spl_tf.experiment.resumable import MARKER, REMEDY, Clips, Json, run_step
from spl_tf.experiment.same_step import take_over
from spl_tf.experiment.sets import WebSet
from spl_tf.experiment.shown_test import show_test
from spl_tf.hardware.memory import forget_networks
from spl_tf.inference.evaluation import evaluate_model
from spl_tf.inference.prediction import predict_clips
from spl_tf.inference.stage_folder import BACKBONE, FINISHED, NETWORK, network_digest
from spl_tf.labels.targets import NONE, SINGLE, require_form
from spl_tf.stored import Count, Positive, Seconds, Share
from spl_tf.training.identity import digest, open_inputs, run_identity
from spl_tf.training.objectives.objective import make_objective
from spl_tf.training.objectives.single_label import single_label
from spl_tf.training.stage import train_stage

NO_PRETRAINING = "none"
# Those of the web set's records, of whatever classes and however many a clip: no teacher looks at them.
OWN = "own"
# All that an arm can be labelled by.
LABELS = (NO_PRETRAINING, OWN, *LABELLERS)
_OF_TRAINING = (NETWORK, BACKBONE, FINISHED)
# What the table needs of the test, beside what it is about.
_SHOWN_OF_TEST = ("top_1", "top_5")
# Configurables that a test depends on.
OF_TEST = ("evaluate_model", "class_groups")
_BACKGROUND = "evaluate_model.background"


class Labelled(TypedDict):
    """What the table needs of the labels' summary."""

    num_classes: Positive
    kept: Count
    noise_ratio: Share
    samples_cover_ratio: Share
    seconds: Seconds


def train(
    stage: str,
    folder: pathlib.Path,
    seed: int,
    train_shards: pathlib.Path,
    *,
    same: Iterable[pathlib.Path] = (),
    **inputs: files.Path | None,
) -> Clips:
    """Runs a stage of training, unless one of the folders `same` holds it; its seconds are of the training itself.

    `inputs` are as of `train_stage`, beside what gin says to the stage.
    """
    with gin.config_scope(stage):
        identity = run_identity(stage, seed, open_inputs(train_shards, **inputs))

        def action() -> Json:
            if known := take_over(folder, identity, same, _OF_TRAINING, without="checkpoints"):
                return known
            with networks_forgotten():
                return {"clips": train_stage(stage, folder, train_shards=train_shards, seed=seed, **inputs)["clips"]}

        return run_step(folder, identity, action, outputs=_OF_TRAINING, kind=Clips)


def predict(model_dir: pathlib.Path, web: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """A network's predictions of every web clip, as gin says to the teacher."""
    identity = _inference_identity("teacher", ["predict_clips"], model_dir, web)

    def action() -> Json:
        with gin.config_scope("teacher"), networks_forgotten():
            return {"clips": predict_clips(model_dir, web, folder)["num_clips"]}

    run_step(folder, identity, action, outputs=["predictions.json"], kind=Clips)
    return folder


def asks_teacher(labels: str) -> bool:
    """Whether a better teacher changes these labels, of LABELS."""
    return labels not in (NO_PRETRAINING, OWN) and find_labeller(labels).uses_teacher


def needs_held_out(labels: str) -> bool:
    """Whether these labels, of LABELS, ask how the teacher errs on clean clips that it did not learn from."""
    return labels not in (NO_PRETRAINING, OWN) and find_labeller(labels).needs_held_out


def require_label_options(
    where: str,
    labels: str,
    classes: Sequence[str],
    num_labels: int | None,
    min_confidence: float,
    own_form: str = SINGLE,
) -> None:
    """Finds what is wrong with a way of labelling, under the gin configuration, before hours of work.

    Args:
      where: the options were given.
      labels: of LABELS.
      classes: of the target set.
      num_labels: classes of SPL-M and SPL-D.
      min_confidence: teacher confidence below which a clip is not used.
      own_form: of the labels that the web set has, see `spl_tf.labels.targets`.

    Raises:
      UserError: there are no such labels, an option of theirs is out of range, or the objective of the pre-training
        learns other targets.
    """
    num_classes = len(classes)
    if num_labels is not None and not num_classes <= num_labels <= num_classes**2:
        raise UserError(f"{where}: num_labels = {num_labels}: give {num_classes} to {num_classes**2}")
    if not 0.0 <= min_confidence <= 1.0:
        raise UserError(f"{where}: min_confidence = {min_confidence}: give 0 to 1")
    if labels != NO_PRETRAINING:
        with gin.config_scope("pretrain"):
            given = gin.get_bindings("train_stage")
        options = {name: given.get(name) for name in ("loss", "data_parameters")}
        objective = make_objective(given.get("objective", single_label), **options)
        form = own_form if labels == OWN else find_labeller(labels).check(classes)
        if objective.target == NONE and labels != OWN:
            raise UserError(
                f"{where}: labels {labels!r} are for an objective that learns from labels, not for this one"
            )
        require_form(form, objective.target, f"{where}: {labels}")


def make_labels(
    folder: pathlib.Path,
    labels: str,
    web: WebSet,
    clean: pathlib.Path,
    seed: int,
    *,
    num_labels: int | None = None,
    min_confidence: float = 0.0,
    held_out: pathlib.Path | None = None,
) -> Labelled:
    """Labels of a web set.

    Args:
      folder: for the labels.
      labels: of LABELS, but neither "none" nor "own".
      web: what to label.
      clean: shards of the target set, which cleaning learns from.
      seed: of cleaning.
      num_labels: number of classes, where the labels leave it open; None for their own choice.
      min_confidence: teacher confidence below which a clip is not used, where labels ask the teacher.
      held_out: predictions of clean clips, for labels that need them.

    Returns:
      "num_classes", "kept", "noise_ratio" and "samples_cover_ratio" of the summary.
    """
    labeller = find_labeller(labels)
    digests = {"web": digest(load_dataset(web.shards)), "clean": digest(load_dataset(clean))}
    source = LabelSource(web.shards, web.predictions, web.teacher, clean, digests, min_confidence, num_labels, held_out)

    def action() -> Json:
        with networks_forgotten():
            summary = labeller.write(source, folder, seed)
        return {name: summary[name] for name in Labelled.__annotations__ if name != "seconds"}

    return run_step(folder, labeller.identity(source, seed), action, outputs=["summary.json"], kind=Labelled)


def main_metric(measured: Mapping[str, float]) -> str:
    """What a test is about: its protocol's number, as gin says to the fine-tuning, or what its targets have."""
    with_background = _BACKGROUND in configuration.stage_bindings("finetune")
    return "mean_average_precision" if with_background or "top_1" not in measured else "top_1"


def evaluate(
    model_dir: pathlib.Path,
    shards: pathlib.Path,
    folder: pathlib.Path,
    shown: Mapping[str, str | int],
    same: Iterable[pathlib.Path] = (),
) -> dict[str, float]:
    """The numbers of a network's test, as gin says to the fine-tuning.

    Args:
      model_dir: folder of the network.
      shards: of the test set.
      folder: for the numbers and, in `logs`, what TensorBoard shows of them.
      shown: what tells this test from others there, e.g. "strategy".
      same: folders of tests, maybe of an equal network.
    """
    identity = _inference_identity("finetune", OF_TEST, model_dir, shards)

    def action() -> Json:
        result = take_over(folder, identity, same, ["metrics.json"], without="logs") or measured()
        show_test(folder, shown)
        return result

    def measured() -> Json:
        with gin.config_scope("finetune"), networks_forgotten():
            metrics = evaluate_model(model_dir, shards, folder)
        found = {name: value for name, value in metrics.items() if value is not None}
        main = main_metric(found)
        if main not in found:
            raise UserError(f"{shards}: no test video has a class that counts, nothing can be measured: check the list")
        return {name: found[name] for name in dict.fromkeys((*_SHOWN_OF_TEST, main)) if name in found}

    tested = run_step(folder, identity, action, outputs=["metrics.json"], kind=dict[str, float])
    if (main := main_metric(tested)) not in tested:
        raise UserError(f"{folder / MARKER} is damaged (result: no {main}): {REMEDY}")
    return tested


def settings_of(stage: str, configurables: Sequence[str]) -> dict[str, str]:
    """What the configuration says to a stage of some configurables."""
    bindings = configuration.stage_bindings(stage)
    return {name: value for name, value in bindings.items() if name.partition(".")[0] in configurables}


def _inference_identity(
    stage: str, configurables: Sequence[str], model_dir: pathlib.Path, shards: pathlib.Path
) -> dict[str, str]:
    inputs = {"model": network_digest(model_dir), "shards": digest(load_dataset(shards))}
    return settings_of(stage, configurables) | inputs


@contextlib.contextmanager
def networks_forgotten() -> Iterator[None]:
    """A process that trains many networks would keep the graphs of all of them."""
    yield
    forget_networks()
