"""What difference in top-1 a design can detect, by the rows there are, and what it costs.

  python -m tools.study.power --results=results/ucf6_study.jsonl --data=data/ucf6

Detectable is what is found with 80 % power at 5 %, two-sided: 2.80 standard errors (Bloom 1995, Evaluation Review
19:547, "minimum detectable effects"). The gain of one strategy over another for a seed and a test video has five
sources of variance: seed, recording, video within recording, seed x recording, and the rest. They are estimated without
bias from unbalanced groups by symmetric sums (Koch 1967, Technometrics 9:93: means of products of two gains that share
the seed or not, and the video, the recording or neither), averaged over the comparisons, and only then kept from being
negative. The standard error of another design follows from its numbers of seeds, recordings and videos.

Two kinds of design: the one split of the rows with more seeds, and leave-groups-out folds over all source files, each
tested in one fold. A fold and seed is one training, whose share of variance is taken to be a seed's: what another
target and web set add beyond it can't be seen in rows of one split. With one seed a fold no interval can hold the
chance of training. Core hours are the median seconds of a strategy in the rows, summed over the strategies and a
teacher as long as "none".
"""

import collections
import dataclasses
import itertools
import pathlib
from collections.abc import Sequence

import numpy as np
from absl import flags

from spl_tf import command
from spl_tf.errors import UserError

FLAGS = flags.FlagValues()
flags.DEFINE_string("results", None, "JSON lines file of tools.study.ucf6.", flag_values=FLAGS)
flags.DEFINE_string("data", None, "Folder of ucf6, for its lists.", flag_values=FLAGS)

STANDARD_ERRORS = 1.9600 + 0.8416  # Of the normal distribution: 97.5 % and 80 %.
_SPLIT_SEEDS = (5, 10, 20)
_FOLDS = (3, 4, 5)
_FOLD_SEEDS = (1, 2, 3)


@dataclasses.dataclass(frozen=True)
class Components:
    """Variances of a gain, which is -1, 0 or 1; an estimate may be negative."""

    seed: float
    recording: float
    video: float
    seed_recording: float
    rest: float


@dataclasses.dataclass(frozen=True)
class Design:
    """Each video is tested by `seeds` trainings, of which there are `trainings` in all.

    Attributes:
      name: in the table.
      trainings: seeds, times folds.
      seeds: trainings that test one video.
      videos: number of videos of each recording.
    """

    name: str
    trainings: int
    seeds: int
    videos: Sequence[int]


def components(gains: np.ndarray, recordings: Sequence[str]) -> Components:
    """Estimates by symmetric sums.

    Args:
      gains: [S, V], of at least two seeds, and recordings of which one has two videos.
      recordings: name of each video's, V of them.
    """
    num_seeds, num_videos = gains.shape
    _, recording_of = np.unique(np.asarray(recordings), return_inverse=True)
    sizes = np.bincount(recording_of)
    within = np.stack([np.bincount(recording_of, row) for row in gains])  # [S, recordings]
    squares = (gains**2).sum()
    of_cells, of_videos = (within**2).sum(), (gains.sum(axis=0) ** 2).sum()
    of_seeds, of_recordings = (gains.sum(axis=1) ** 2).sum(), (within.sum(axis=0) ** 2).sum()
    neighbours = (sizes**2).sum() - num_videos  # Ordered pairs of two videos of a recording.
    strangers = num_videos**2 - (sizes**2).sum()
    pairs = num_seeds * (num_seeds - 1)
    if not (neighbours and strangers and pairs):
        raise ValueError("needs two seeds, two recordings, and a recording of two videos")
    same_seed = squares / gains.size, (of_cells - squares) / (num_seeds * neighbours)
    one_seed_strangers = (of_seeds - of_cells) / (num_seeds * strangers)
    same_video = (of_videos - squares) / (pairs * num_videos)
    same_recording = (of_recordings - of_cells - of_videos + squares) / (pairs * neighbours)
    nothing = (gains.sum() ** 2 - of_seeds - of_recordings + of_cells) / (pairs * strangers)
    seed, recording = one_seed_strangers - nothing, same_recording - nothing
    video = same_video - same_recording
    seed_recording = same_seed[1] - nothing - seed - recording
    rest = same_seed[0] - nothing - seed - recording - video - seed_recording
    return Components(seed, recording, video, seed_recording, rest)


def mean_components(found: Sequence[Components]) -> Components:
    """Their means, none of them below zero."""
    return Components(*np.maximum(0, np.mean([dataclasses.astuple(each) for each in found], axis=0)))


def standard_error(variances: Components, design: Design) -> float:
    """Of the mean gain over the videos and trainings of a design."""
    sizes = np.asarray(design.videos, np.float64)
    num_videos = sizes.sum()
    clustered = (sizes**2).sum() / num_videos**2
    variance = (
        variances.seed / design.trainings
        + clustered * (variances.recording + variances.seed_recording / design.seeds)
        + (variances.video + variances.rest / design.seeds) / num_videos
    )
    return float(np.sqrt(variance))


def detectable(variances: Components, design: Design) -> float:
    """The difference in points of top-1 that is found with 80 % power."""
    return 100 * STANDARD_ERRORS * standard_error(variances, design)


def main() -> None:
    command.require_flags(FLAGS, "results", "data")
    from tools.study.arms import MAIN, STRATEGIES
    from tools.study.cells import markdown
    from tools.study.collected import Collected
    from tools.study.results import read_rows
    from tools.ucf6.footage import read_footage, recording

    data, path = pathlib.Path(FLAGS.data), pathlib.Path(FLAGS.results)
    rows = [row for row in read_rows(path) if row["study"] == MAIN]
    results = Collected(rows, data / "test.csv")
    arms = {name: results.main(name) for name in STRATEGIES}
    seeds = set.intersection(*(set(arm.rows) for arm in arms.values()))
    if len(seeds) < 2:
        raise UserError(
            f"{path} has fewer than two seeds of every strategy: run tools.study.ucf6 with the same --results"
        )
    found = {}
    for pair in itertools.combinations(STRATEGIES, 2):
        gains, recordings = results.gains(arms[pair[0]], arms[pair[1]])
        found[pair] = components(gains, recordings), 100 * gains.mean()
    test_videos = _sizes(recordings)
    all_videos = _sizes([recording(source) for source in read_footage(data).sources])
    hours = core_hours(rows)
    designs = [Design(f"one split, {seeds} seeds", seeds, seeds, test_videos) for seeds in _SPLIT_SEEDS]
    designs += [
        Design(f"{folds} folds, {seeds} seed{'s' * (seeds > 1)} each", folds * seeds, seeds, all_videos)
        for folds, seeds in itertools.product(_FOLDS, _FOLD_SEEDS)
    ]
    sets = {
        "from weak": [pair for pair in found if "weak" in pair],
        "from none": [pair for pair in found if "none" in pair],
        "of any two": list(found),
    }
    variances = {name: mean_components([found[pair][0] for pair in pairs]) for name, pairs in sets.items()}
    print("### Standard deviations of a gain, in points\n")
    header = ["difference", "comparisons", "seed", "recording", "video", "seed x recording", "rest", "largest seen"]
    deviations = [
        [
            name,
            f"{len(sets[name])}",
            *(f"{100 * np.sqrt(value):.1f}" for value in dataclasses.astuple(variances[name])),
            f"{max(abs(found[pair][1]) for pair in sets[name]):.1f}",
        ]
        for name in sets
    ]
    print(markdown(header, deviations))
    print("\n### Detectable with 80 % power, in points of top-1\n")
    lines = [
        [
            design.name,
            f"{design.trainings}",
            f"{sum(design.videos)} of {len(design.videos)} recordings",
            *(f"{detectable(variances[name], design):.1f}" for name in sets),
            f"{hours * design.trainings:.1f}",
        ]
        for design in designs
    ]
    print(markdown(["design", "trainings of each strategy", "test videos", *sets, "core hours"], lines))


def core_hours(rows: Sequence[dict]) -> float:
    """Of all strategies of the rows, once, with a teacher as long as "none"."""
    seconds = collections.defaultdict(list)
    for row in rows:
        seconds[row["strategy"]].append(row["seconds"])
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    return (sum(medians.values()) + medians.get("none", 0.0)) / 3600


def _sizes(recordings: Sequence) -> list[int]:
    """Videos of each recording."""
    return [recordings.count(name) for name in dict.fromkeys(recordings)]


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
