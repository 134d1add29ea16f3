"""The whole method: teacher, prediction, labels, pre-training, fine-tuning, test, for every arm and seed."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin

from spl_tf import configuration, files
from spl_tf.cleaning.labellers import find_labeller
from spl_tf.errors import UserError
from spl_tf.experiment.arms import Arm, choose_arms, make_arms
from spl_tf.experiment.runner import Runner
from spl_tf.experiment.shared import loss_with_matrix
from spl_tf.experiment.table import METRICS, Result, format_table, write_results
from spl_tf.experiment.tasks import require_label_options
from spl_tf.experiment.video_lists import VideoLists
from spl_tf.labels.both_labels import read_both_labels
from spl_tf.labels.classes import read_classes

_SET_BY_RECIPE = ("train_shards", "validation_shards", "labels_dir", "init_weights", "seed")


@gin.configurable(denylist=["output_dir", "only"])
def recipe(
    output_dir: files.Path,
    only: Sequence[str] = (),
    *,
    videos: Callable[[pathlib.Path], VideoLists] = gin.REQUIRED,
    strategies: Sequence[str] | None = None,
    arms: Mapping[str, Mapping[str, Any]] | None = None,
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

    What is compared is a list of strategies, or, where its members differ in more than their labels, a table of arms:

      recipe.arms = {
          'none': {},
          'weak': {},
          'weak_forward': {
              'labels': 'weak',
              'transition': @counted_transition,
              'bindings': {'pretrain/train_stage.loss': @forward_correction},
          },
          'spl_m_1600': {'labels': 'spl_m', 'num_labels': 1600},
          'spl_b_285k': {'labels': 'spl_b', 'shares': '285k', 'bindings': {'video_folder.web': 'web_285k.csv'}},
      }

    An arm's name is its folder and its row. Beside `labels` (its name if not given), `bindings` and `shares` it may
    have `num_labels`, `min_confidence`, `transition`, `init_weights` and `web_clips_per_class` of its own, else those
    below hold. Bindings hold over those of file and command line, for this arm's stages. Arms share
    shards, teacher and predictions; one that needs others (another web list or quota, other options of the teacher)
    names a folder for them by `shares`, and what is the same there as for an arm before is not done again.

    Args:
      output_dir: everything is written below it; `results.csv` holds one row per run.
      only: names of the arms to run; all by default.
      videos: makes or finds the lists of videos.
      strategies: of `spl_tf.cleaning.labellers`, or "none" for no pre-training: each an arm of that
        name. By default none, weak, spl and spl_b.
      arms: name -> what is its own; in place of `strategies`.
      seeds: each one has a teacher of its own, shared by the arms.
      rounds: from the second on, the fine-tuned student of the round before is the
        teacher of its arm, and everything after the teacher is done again.
        Arms whose labels don't ask the teacher have one round.
      fps: frames per second of the shards.
      short_side: of their frames, pixels.
      web_clip_seconds: length of the clips cut from web videos (the paper's 10);
        target and test videos are one record each.
      web_clips_per_class: quota of web clips of a class, see `spl_tf.shard`; None for all.
      num_labels: classes of SPL-M and SPL-D; None for twice the number of classes.
      min_confidence: teacher confidence below which a clip is not used.
      init_weights: `backbone.weights.h5` that teacher, pre-training, and fine-tuning without
        pre-training begin with, e.g. inflated from images; None for random weights. An arm's own are not its teacher's.
      transition: `estimated_transition` or `counted_transition`, which make the matrix for `forward_correction` or
        `backward_correction` as the loss of the pre-training; counted on `VideoLists.both_labels`, where there are.

    Returns:
      One result per seed and arm, in that order.

    Raises:
      UserError: an unknown strategy or option, arms that share what differs, a binding the recipe sets itself, or what
        any of the stages raises.
    """
    all_arms = make_arms(
        strategies,
        arms,
        rounds=rounds,
        num_labels=num_labels,
        min_confidence=min_confidence,
        transition=transition,
        init_weights=init_weights,
        web_clips_per_class=web_clips_per_class,
    )
    chosen = choose_arms(all_arms, only)
    _check(chosen, seeds, init_weights)
    runner = Runner(
        output_dir,
        all_arms,
        videos=videos,
        fps=fps,
        short_side=short_side,
        web_clip_seconds=web_clip_seconds,
        init_weights=init_weights,
    )
    notes = dict.fromkeys(_check_lists(runner, arm) for arm in chosen)
    print(*notes, sep="\n", flush=True)
    for seed in seeds:
        for arm in chosen:
            runner.require_unchanged(arm, seed)
    for arm in chosen:
        runner.clean(arm)
    pretrained = [arm for arm in chosen if arm.pretrains]
    for arm in pretrained:
        runner.web(arm)
    path = runner.output_dir / "results.csv"
    results = []
    for seed in seeds:
        for arm in pretrained:
            if arm.round == 1:
                runner.labelled_by(arm, seed)
        for arm in chosen:
            result = runner.run(arm, seed)
            metric = METRICS.get(result.main_metric, result.main_metric).removesuffix(" (%)")
            print(f"{result.name}, seed {result.seed}: {metric} {100 * result.main:.1f} %", flush=True)
            results.append(result)
            write_results(path, results, complete=False)
    write_results(path, results, complete=True)
    print("\n".join(["", format_table(results), "", *notes, f"runs: {path}"]))
    return results


def _check(arms: Sequence[Arm], seeds: Sequence[int], init_weights: files.Path | None) -> None:
    """Refuses what would otherwise be found out hours later."""
    if isinstance(seeds, int) or not seeds:
        raise UserError(f"recipe.seeds = {seeds!r}: give a list such as [0, 1, 2]")
    if len(set(seeds)) < len(seeds):
        raise UserError(f"recipe.seeds = {list(seeds)}: one of them is listed twice")
    begun_with = {arm.init_weights for arm in arms} | {init_weights for arm in arms if arm.pretrains}
    for path in begun_with:
        if path is not None and not callable(path) and not pathlib.Path(path).is_file():
            raise UserError(
                f"recipe.init_weights: {path} does not exist: tools.convert.inflate makes one of ImageNet's "
                "weights; None starts from random ones"
            )
    for arm in arms:
        with configuration.overridden(arm.bindings):
            if arm.pretrains:
                find_labeller(arm.labels)
            _check_transition(arm)
            for stage in configuration.STAGES:
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


def _check_lists(runner: Runner, arm: Arm) -> str:
    """Likewise, as soon as there are lists; returns how they came to be."""
    lists = runner.lists(arm)
    classes = read_classes(lists.classes)
    with configuration.overridden(arm.bindings):
        require_label_options(f"arm {arm.name!r}", arm.labels, classes, arm.num_labels, arm.min_confidence)
    if arm.transition is not None and lists.both_labels is not None:
        read_both_labels(lists.both_labels, classes)
    return lists.note
