"""The whole method: teacher, prediction, labels, pre-training, fine-tuning, test, for every arm and seed."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin

from spl_tf import files
from spl_tf.experiment.arm_sets import ArmSets
from spl_tf.experiment.arms import choose_arms, make_arms, unused_options
from spl_tf.experiment.checks import require_sound_arms, require_sound_stages
from spl_tf.experiment.list_checks import require_lists, require_sound_lists
from spl_tf.experiment.runner import Runner
from spl_tf.experiment.table import METRICS, Result, format_table, write_results
from spl_tf.experiment.video_lists import VideoLists
from spl_tf.ranges import NonNegative


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
    test_clip_seconds: NonNegative = 0.0,
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
          'pcl_spl_b': {'labels': 'spl_b', 'self_supervised': 'web'},
          'spl_b_285k': {'labels': 'spl_b', 'shares': '285k', 'bindings': {'video_folder.web': 'web_285k.csv'}},
      }

    An arm's name is its folder and its row. Beside `labels` (its name if not given), `bindings` and `shares` it may
    have `num_labels`, `min_confidence`, `transition`, `init_weights` and `web_clips_per_class` of its own, else those
    below hold. With `self_supervised`, "web" or "target", a stage "selfsup" learns from those clips without labels, as
    `selfsup/train_stage.objective` says, and its backbone is what the later stages begin with. Bindings hold over those
    of file and command line, for this arm's stages. Arms share shards, teacher and predictions; one that needs others
    (another web list or quota, other options of the teacher) names a folder for them by `shares`, and what is the same
    there as for an arm before is not done again.

    Args:
      output_dir: everything is written below it; `results.csv` holds one row per run.
      only: names of the arms to run; all by default.
      videos: makes or finds the lists of videos.
      strategies: of `spl_tf.cleaning.labellers`, "own" for the labels of the web set's records, however many a clip
        and of whatever classes, or "none" for no pre-training: each an arm of that name. By default none, weak, spl
        and spl_b.
      arms: name -> what the arm has of its own, a table with any of the keys `labels`, `bindings`, `shares`,
        `self_supervised`, `num_labels`, `min_confidence`, `transition`, `init_weights` and `web_clips_per_class`; in
        place of `strategies`.
      seeds: each one has a teacher of its own, shared by the arms.
      rounds: from the second on, the fine-tuned student of the round before is the
        teacher of its arm, and everything after the teacher is done again.
        Arms whose labels don't ask the teacher have one round.
      fps: frames per second of the shards.
      short_side: of their frames, pixels.
      web_clip_seconds: length of the clips cut from web videos (the paper's 10);
        0 for one record a video, as of target videos.
      web_clips_per_class: quota of web clips of a class, see `spl_tf.shard`; None for all.
      test_clip_seconds: length of clips that test videos are cut into, one after the other, for tests that average the
        scores of all clips of a video; 0 for one record a video.
      num_labels: classes of SPL-M, SPL-D and spl_ib; None for twice the number of classes.
      min_confidence: teacher confidence below which a clip is not used.
      init_weights: `backbone.weights.h5` that teacher, pre-training, and fine-tuning without
        pre-training begin with, e.g. inflated from images; None for random weights. An arm's own are not its teacher's.
      transition: `estimated_transition` or `counted_transition`, which make the matrix for `forward_correction` or
        `backward_correction` as the loss of the pre-training; counted on `VideoLists.both_labels`, where there are.

    Returns:
      One result per seed and arm, in that order.

    Raises:
      UserError: before the first shard is cut: an unknown strategy or option, one that no stage could be run with,
        lists that are missing or can't be read, arms that share what differs, a binding the recipe sets itself; later,
        what any of the stages raises.
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
    require_sound_arms(chosen, seeds, init_weights)
    sets = ArmSets(
        output_dir,
        all_arms,
        videos=videos,
        fps=fps,
        short_side=short_side,
        web_clip_seconds=web_clip_seconds,
        test_clip_seconds=test_clip_seconds,
    )
    runner = Runner(sets, init_weights)
    require_sound_stages(sets, chosen)
    notes = require_lists(sets, chosen)
    print(*notes, *unused_options(all_arms), *require_sound_lists(sets, chosen), sep="\n", flush=True)
    for seed in seeds:
        for arm in chosen:
            runner.require_unchanged(arm, seed)
    for arm in chosen:
        sets.clean(arm)
    pretrained = [arm for arm in chosen if arm.pretrains]
    for arm in chosen:
        if arm.needs_web:
            sets.web(arm)
    path = sets.output_dir / "results.csv"
    results = []
    for seed in seeds:
        for arm in pretrained:
            if arm.asks_predictions and arm.round == 1:
                runner.labelled_by(arm, seed)
        runner.test_teachers([arm for arm in pretrained if arm.asks_predictions], seed)
        for arm in chosen:
            result = runner.run(arm, seed)
            metric = METRICS.get(result.main_metric, result.main_metric).removesuffix(" (%)")
            print(f"{result.name}, seed {result.seed}: {metric} {100 * result.main:.1f} %", flush=True)
            results.append(result)
            write_results(path, results, complete=False)
    write_results(path, results, complete=True)
    print("\n".join(["", format_table(results), "", *notes, f"runs: {path}"]))
    return results
