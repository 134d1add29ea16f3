"""What cutting videos takes of a processor: a linear model, fitted on measured runs of spl_tf.shard."""

import csv
import dataclasses
import math
import pathlib
from collections.abc import Sequence

import numpy as np

from tools.cost.videos import Measured

RUNS = pathlib.Path(__file__).parents[2] / "results" / "cutting_cost.csv"

# Of the smallest part; fewer runs than these cannot tell the parts from each other.
_FEWEST_RUNS = 6


@dataclasses.dataclass(frozen=True)
class Work:
    """What a run of spl_tf.shard has to do.

    Attributes:
      videos: that are opened.
      decoded: megapixels of all their frames, as often as they are decoded: twice where copies are looked for.
      encoded: megapixels of the frames that are scaled, coded as JPEG and stored, each once.
    """

    videos: float
    decoded: float
    encoded: float

    def terms(self) -> list[float]:
        """What a model's coefficients stand before: a start, and these."""
        return [1.0, *dataclasses.astuple(self)]


def work_of(videos: Sequence[Measured], *, clip_seconds: float, fps: float, short_side: int, compares: bool) -> Work:
    """Of cutting all clips of videos, and, with `compares`, of looking for copies among them."""
    cut = [video.cut_seconds(clip_seconds, fps) for video in videos]
    pairs = list(zip(videos, cut, strict=True))
    decoded = sum(video.decoded(seconds) for video, seconds in pairs)
    return Work(
        videos=len(videos),
        decoded=decoded + compared(videos) if compares else decoded,
        encoded=sum(video.encoded(seconds, fps, short_side) for video, seconds in pairs),
    )


def compared(videos: Sequence[Measured]) -> float:
    """Megapixels that are decoded to look for copies."""
    return sum(video.decoded(video.seconds) for video in videos)


@dataclasses.dataclass(frozen=True)
class Run:
    """A measured run: what it did, how many seconds of a processor it took, and the bytes of its shards."""

    name: str
    work: Work
    seconds: float
    num_bytes: float


@dataclasses.dataclass(frozen=True)
class Model:
    """Seconds of a processor: of a start, a video, a megapixel decoded and one encoded; and bytes of the latter."""

    start: float
    video: float
    decoded: float
    encoded: float
    bytes_per_megapixel: float

    def seconds(self, work: Work) -> float:
        coefficients = self.start, self.video, self.decoded, self.encoded
        return float(np.dot(work.terms(), coefficients))


def read_runs(path: pathlib.Path = RUNS) -> list[Run]:
    """The measured runs, as `tools.cost.measure_cutting` wrote them."""
    with open(path, newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    names = [field.name for field in dataclasses.fields(Work)]
    return [
        Run(row["run"], Work(*(float(row[name]) for name in names)), float(row["seconds"]), float(row["bytes"]))
        for row in rows
    ]


def fitted(runs: Sequence[Run]) -> Model:
    """The model of least squared relative errors without negative coefficients."""
    if len(runs) < _FEWEST_RUNS:
        raise ValueError(f"{len(runs)} runs")
    seconds = np.array([run.seconds for run in runs])
    scaled = np.array([run.work.terms() for run in runs]) / seconds[:, None]
    kept = list(range(scaled.shape[1]))
    while True:
        found, *_ = np.linalg.lstsq(scaled[:, kept], np.ones(len(runs)), rcond=None)
        if (found >= 0).all():
            break
        kept.pop(int(np.argmin(found)))  # As nothing costs less than nothing.
    coefficients = np.zeros(scaled.shape[1])
    coefficients[kept] = found
    # Bytes of all frames over all frames: what differs is the content, which a mean serves best.
    density = sum(run.num_bytes for run in runs) / sum(run.work.encoded for run in runs)
    return Model(*coefficients.tolist(), density)


def left_out_errors(runs: Sequence[Run]) -> dict[str, tuple[float, float]]:
    """Run -> relative errors, of seconds and of bytes, of a model that was fitted on all others."""
    errors = {}
    for place, run in enumerate(runs):
        model = fitted([*runs[:place], *runs[place + 1 :]])
        estimated = model.seconds(run.work), model.bytes_per_megapixel * run.work.encoded
        errors[run.name] = (estimated[0] / run.seconds - 1, estimated[1] / run.num_bytes - 1)
    return errors


def typical(errors: Sequence[float]) -> str:
    """Median and largest, in words."""
    sizes = sorted(map(abs, errors))
    return f"{sizes[len(sizes) // 2]:.0%} (at most {math.ceil(100 * sizes[-1])} %)"
