"""NoisyActions2M's tables on ucf6 as a study: each row as an arm of an experiment, and what web clips really show."""

import dataclasses
import functools
import itertools
import pathlib

import numpy as np

from spl_tf import files
from spl_tf.data.dataset import load_dataset
from spl_tf.experiment.arms import Arm
from spl_tf.experiment.runner import Runner
from spl_tf.experiment.table import Result
from spl_tf.experiment.tasks import networks_forgotten
from spl_tf.experiment.video_lists import video_folder
from spl_tf.hardware.distribution import device_strategy
from spl_tf.inference.probe import probe_backbone
from spl_tf.inference.scores import ClipScores, score_trained
from spl_tf.inference.stage_folder import BACKBONE
from spl_tf.inference.trained_model import load_trained
from spl_tf.labels.classes import read_classes
from spl_tf.metrics.average_precision import average_precisions
from tools.na2m_study.arms import CHOICE, CLEAN, NONE, PRETRAININGS, SEEDS, SPOILED, Key
from tools.na2m_study.choice import PROBE
from tools.na2m_study.lists import Lists
from tools.study.results import Row
from tools.study.run import Study
from tools.study.steps import truths_of


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """Fine-tuning begins with what an arm on the clean target set was pre-trained to."""

    name: str

    def __call__(self, runner: Runner, arm: Arm, seed: int) -> pathlib.Path:
        other = next(other for other in runner.arms if other.name == self.name)
        stage = "pretrain" if other.pretrains else "selfsup"
        return runner.finished(other, seed) / stage / BACKBONE


def na2m_study(output_dir: files.Path) -> tuple[Study, Lists]:
    """The study with the settings of the recipe's gin file, and the lists its target sets are made by."""
    output_dir = pathlib.Path(output_dir)
    lists = Lists(output_dir / "lists", video_folder(output_dir))
    web = lists.web_bindings()
    targets = itertools.product(PRETRAININGS, SEEDS, (CLEAN, *SPOILED))
    arms = {key: _arm(key, lists, web) for key in itertools.starmap(Key, targets)}
    # Never run: its shards are what is chosen on.
    choice = Arm(CHOICE, "none", bindings=lists.target_bindings(CHOICE, SEEDS[0]), shares=CHOICE)
    of_tags = next(arm for arm in arms.values() if arm.pretrains)
    columns_of = functools.partial(_measured, choice)
    return Study(output_dir, arms | {Key(NONE, SEEDS[0], CHOICE): choice}, of_tags, columns_of=columns_of), lists


def _arm(key: Key, lists: Lists, web: tuple[str, ...]) -> Arm:
    arm = PRETRAININGS[key.pretraining]
    if key.target == CLEAN:
        return dataclasses.replace(arm, bindings=(*arm.bindings, *web))
    return Arm(
        f"{key.target}-{key.pretraining}",
        "none",
        bindings=lists.target_bindings(key.target, key.seed),
        init_weights=None if key.pretraining == NONE else Pretrained(key.pretraining),
        shares=f"{key.target}-seed{key.seed}",
    )


def _measured(choice: Arm, runner: Runner, arm: Arm, result: Result) -> Row:
    """What is known of a pre-trained network before it is fine-tuned, without a test video."""
    if not (arm.pretrains or arm.self_supervised):
        return {}
    parts, stage = runner.sets.clean(choice), "pretrain" if arm.pretrains else "selfsup"
    with networks_forgotten():
        probed = probe_backbone(runner.folder(arm, result.seed) / stage, parts.target, parts.test)
    return {PROBE: probed.linear} | _against_truth(runner, arm, result)


def _against_truth(runner: Runner, arm: Arm, result: Result) -> Row:
    """Mean average precision over the target's classes on the web clips, the truth being the action that fills most of
    a clip, or is that of any clip of a video: of the pre-trained network's scores, and of the tags themselves.
    """
    if not arm.pretrains:
        return {}
    dataset, classes = load_dataset(runner.sets.web(arm)), read_classes(runner.sets.lists(arm).classes)
    columns = [dataset.classes.index(name) for name in classes]
    with networks_forgotten():
        strategy = device_strategy()
        with strategy.scope():
            trained = load_trained(runner.folder(arm, result.seed) / "pretrain")
        clips = list(score_trained(trained, dataset, strategy, batch_size=16, num_views=1, description="web"))
    shown = np.eye(len(classes))[truths_of(runner, arm, [clip.clip_id for clip in clips])]
    scores = np.stack([clip.scores[columns] for clip in clips])
    tags = np.array([[column in clip.labels for column in columns] for clip in clips], np.float64)
    measured = {"web_ap": _mean_ap(scores, shown), "tags_ap": _mean_ap(tags, shown)}
    scores, tags, shown = _of_videos(clips, scores, tags, shown)
    return measured | {"web_video_ap": _mean_ap(scores, shown), "tags_video_ap": _mean_ap(tags, shown)}


def _of_videos(clips: list[ClipScores], *columns: np.ndarray) -> list[np.ndarray]:
    """Means over the clips of each video."""
    _, video_of = np.unique([clip.video_id for clip in clips], return_inverse=True)
    counts = np.bincount(video_of)
    means = []
    for values in columns:
        sums = np.zeros((len(counts), values.shape[1]))
        np.add.at(sums, video_of, values)
        means.append(sums / counts[:, None])
    return means


def _mean_ap(scores: np.ndarray, shown: np.ndarray) -> float:
    return float(np.nanmean(average_precisions(scores, shown > 0)))
