"""Teacher, prediction, labels, pre-training, fine-tuning, test: for every strategy and seed."""

import functools
import pathlib
from collections.abc import Callable, Sequence

import gin

from spl_tf import configuration, files
from spl_tf.cleaning.labellers import find_labeller
from spl_tf.errors import UserError
from spl_tf.experiment.sets import make_sets
from spl_tf.experiment.table import Result, format_table, write_results
from spl_tf.experiment.tasks import CORRECTIONS, NO_PRETRAINING, WebLabels, predict, run_strategy, train
from spl_tf.experiment.video_lists import VideoLists
from spl_tf.labels.both_labels import read_both_labels
from spl_tf.labels.classes import read_classes
from spl_tf.report.page import write_report

_SET_BY_RECIPE = ("train_shards", "validation_shards", "labels_dir", "init_weights", "seed")


@gin.configurable
def recipe(
    output_dir: files.Path,
    *,
    videos: Callable[[pathlib.Path], VideoLists] = gin.REQUIRED,
    strategies: Sequence[str] = ("none", "weak", "spl", "spl_b"),
    seeds: Sequence[int] = (0,),
    rounds: int = 1,
    fps: float = gin.REQUIRED,
    short_side: int = gin.REQUIRED,
    web_clip_seconds: float = 10.0,
    web_clips_per_class: int | None = None,
    num_labels: int | None = None,
    min_confidence: float = 0.0,
    init_weights: files.Path | None = None,
    transition: Callable[..., pathlib.Path] | None = None,
) -> list[Result]:
    """Runs the method and prints its table; what is done already is not done again.

    Args:
      output_dir: everything is written below it; `results.csv` holds one row per run,
        `report.html` shows all that was found.
      videos: makes or finds the lists of videos.
      strategies: of `spl_tf.cleaning.labellers`, or "none" for no pre-training.
      seeds: each one has a teacher of its own, shared by the strategies.
      rounds: from the second on, the fine-tuned student of the round before is the
        teacher of its strategy, and everything after the teacher is done again.
        Strategies that don't ask the teacher have one round.
      fps: frames per second of the shards.
      short_side: of their frames, pixels.
      web_clip_seconds: length of the clips cut from web videos (the paper's 10);
        target and test videos are one record each.
      web_clips_per_class: quota of web clips of a class, see `spl_tf.shard`; None for all.
      num_labels: classes of SPL-M and SPL-D; None for twice the number of classes.
      min_confidence: teacher confidence below which a clip is not used.
      init_weights: `backbone.weights.h5` that teacher, pre-training, and fine-tuning without
        pre-training begin with, e.g. inflated from images; None for random weights.
      transition: `estimated_transition` or `counted_transition`, which make the matrix for `forward_correction` or
        `backward_correction` as the loss of the pre-training; counted on `VideoLists.both_labels`, where there are.

    Raises:
      UserError: an unknown strategy, a binding the recipe sets itself, or what any
        of the stages raises.
    """
    _check(strategies, seeds, rounds, init_weights)
    _check_transition(strategies, transition)
    output_dir = pathlib.Path(output_dir)
    lists = videos(output_dir / "videos")
    classes = read_classes(lists.classes)
    _check_labels(len(classes), num_labels, min_confidence)
    for strategy in strategies:
        if strategy != NO_PRETRAINING:
            find_labeller(strategy).check(classes)
    if transition is not None:
        if lists.both_labels is not None:
            read_both_labels(lists.both_labels, classes)
        transition = functools.partial(transition, both_labels=lists.both_labels)
    print(lists.note, flush=True)
    pretrains = any(strategy != NO_PRETRAINING for strategy in strategies)
    if pretrains and lists.web is None:
        raise UserError(f"recipe.strategies = {list(strategies)}: there is no web set, only 'none' can be run")
    clean, web = make_sets(
        lists,
        output_dir / "shards",
        fps=fps,
        short_side=short_side,
        with_web=pretrains,
        web_clip_seconds=web_clip_seconds,
        web_clips_per_class=web_clips_per_class,
    )
    run = functools.partial(run_strategy, clean=clean, init_weights=init_weights, transition=transition)
    labels_of = functools.partial(WebLabels, web, num_labels=num_labels, min_confidence=min_confidence)
    results = []
    for seed in seeds:
        of_seed = output_dir / f"seed{seed}"
        labels = None
        if pretrains:
            inputs = {"train_shards": clean.target, "validation_shards": clean.validation}
            train("teacher", of_seed / "teacher", seed, **inputs, init_weights=init_weights)
            teacher = of_seed / "teacher"
            labels = labels_of(predict(teacher, web, of_seed / "predictions"), teacher=teacher)
        for strategy in strategies:
            student = of_seed / strategy
            results.append(_report(run(strategy, seed, student, web=labels)))
            write_results(output_dir / "results.csv", results, complete=False)
            for round_number in range(2, (rounds if has_rounds(strategy) else 0) + 1):
                folder = of_seed / f"{strategy}_round{round_number}"
                teacher = student / "finetune"
                of_student = labels_of(predict(teacher, web, folder / "predictions"), teacher=teacher)
                results.append(_report(run(strategy, seed, folder, web=of_student, round_number=round_number)))
                write_results(output_dir / "results.csv", results, complete=False)
                student = folder
    write_results(output_dir / "results.csv", results, complete=True)
    print(f"\n{format_table(results)}\n\n{lists.note}\nruns: {output_dir / 'results.csv'}")
    print(f"report: {write_report(output_dir, results)}")
    return results


def has_rounds(strategy: str) -> bool:
    """Whether a better teacher changes anything: not where there are no labels, or none that ask it."""
    return strategy != NO_PRETRAINING and find_labeller(strategy).uses_teacher


def _report(result: Result) -> Result:
    print(f"{result.name}, seed {result.seed}: top-1 {100 * result.top_1:.1f} %", flush=True)
    return result


def _check(strategies: Sequence[str], seeds: Sequence[int], rounds: int, init_weights: files.Path | None) -> None:
    """Refuses what would otherwise be found out hours later."""
    for strategy in strategies:
        if strategy != NO_PRETRAINING:
            find_labeller(strategy)
    if isinstance(seeds, int) or not seeds:
        raise UserError(f"recipe.seeds = {seeds!r}: give a list such as [0, 1, 2]")
    for name, values in (("strategies", strategies), ("seeds", seeds)):
        if len(set(values)) < len(values):
            raise UserError(f"recipe.{name} = {list(values)}: one of them is listed twice")
    if not isinstance(rounds, int) or rounds < 1:
        raise UserError(f"recipe.rounds = {rounds!r}: give 1, or more for students that teach in their turn")
    if init_weights is not None and not pathlib.Path(init_weights).is_file():
        raise UserError(
            f"recipe.init_weights: {init_weights} does not exist: tools.convert.inflate makes one of ImageNet's "
            "weights; None starts from random ones"
        )
    for stage in configuration.STAGES:
        for name in _SET_BY_RECIPE:
            if f"train_stage.{name}" in configuration.stage_bindings(stage):
                raise UserError(f"train_stage.{name} is set by the recipe itself: remove the binding")


def _check_transition(strategies: Sequence[str], transition: Callable[..., pathlib.Path] | None) -> None:
    given = transition is not None
    wanted = any(configuration.stage_bindings("pretrain").get("train_stage.loss") == f"@{loss}" for loss in CORRECTIONS)
    if given and not wanted:
        raise UserError(
            "recipe.transition is for a loss that uses it: bind pretrain/train_stage.loss to @forward_correction or "
            "@backward_correction"
        )
    if given and (others := [name for name in strategies if name not in (NO_PRETRAINING, "weak")]):
        raise UserError(
            f"recipe.transition is about the labels of strategy 'weak', not {others[0]!r}: leave that out of "
            "recipe.strategies"
        )


def _check_labels(num_classes: int, num_labels: int | None, min_confidence: float) -> None:
    """Likewise, as soon as the number of classes is known."""
    if num_labels is not None and not num_classes <= num_labels <= num_classes**2:
        raise UserError(f"recipe.num_labels = {num_labels}: give {num_classes} to {num_classes**2}")
    if not 0.0 <= min_confidence <= 1.0:
        raise UserError(f"recipe.min_confidence = {min_confidence}: give 0 to 1")
