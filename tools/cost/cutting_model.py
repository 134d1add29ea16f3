"""What cutting videos takes of a processor: a linear model, fitted on measured runs of spl_tf.shard."""

import csv
import dataclasses
import math
import pathlib
from collections.abc import Sequence

import numpy as np

from tools.cost.videos import Measured

RUNS = pathlib.Path(__file__).parents[2] / "results" / "cutting_cost.csv"


@dataclasses.dataclass(frozen=True)
class Work:
    """What a run of spl_tf.shard has to do.

    Attributes:
      videos: that are opened.
      compared: seconds of video that are looked at for copies.
      decoded: megapixels of all their frames, as often as they are decoded: twice where copies are looked for.
      converted: megapixels of those of them that clips show, before they are scaled.
      encoded: megapixels of these frames scaled, which are coded as JPEG and stored.
      frames: how many these are.
    """

    videos: float
    compared: float
    decoded: float
    converted: float
    encoded: float
    frames: float

    def of_seconds(self) -> tuple[float, ...]:
        """What takes a processor's time: a start, and parts; two of them as one, which runs hardly tell apart."""
        return 1.0, self.videos, self.compared, self.decoded, self.converted + self.encoded

    def of_bytes(self) -> tuple[float, ...]:
        """What takes room."""
        return self.encoded, self.frames


NOTHING = Work(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def work_of_looking(videos: Sequence[Measured]) -> Work:
    """Of looking for copies among videos."""
    compared, decoded = (sum(parts) for parts in zip(*((v.seconds, v.decoded(v.seconds)) for v in videos), strict=True))
    return dataclasses.replace(NOTHING, compared=compared, decoded=decoded)


def work_of(videos: Sequence[Measured], *, clip_seconds: float, fps: float, short_side: int, compares: bool) -> Work:
    """Of cutting all clips of videos, and, with `compares`, of looking for copies among them."""
    pairs = [(video, video.cut_seconds(clip_seconds, fps)) for video in videos]
    looking = work_of_looking(videos) if compares else NOTHING
    return Work(
        videos=len(videos),
        compared=looking.compared,
        decoded=looking.decoded + sum(video.decoded(seconds) for video, seconds in pairs),
        converted=sum(video.converted(seconds, fps) for video, seconds in pairs),
        encoded=sum(video.encoded(seconds, fps, short_side) for video, seconds in pairs),
        frames=sum(video.shown_frames(seconds, fps) for video, seconds in pairs),
    )


@dataclasses.dataclass(frozen=True)
class Run:
    """A measured run: what it did, how many seconds of a processor it took, and the bytes of its shards."""

    name: str
    work: Work
    seconds: float
    num_bytes: float


@dataclasses.dataclass(frozen=True)
class Model:
    """Linear: what each part of `Work.of_seconds` takes in seconds of a processor, and of `Work.of_bytes` in bytes."""

    second_parts: tuple[float, ...]
    byte_parts: tuple[float, ...]

    def seconds(self, work: Work) -> float:
        return float(np.dot(work.of_seconds(), self.second_parts))

    def num_bytes(self, work: Work) -> float:
        return float(np.dot(work.of_bytes(), self.byte_parts))


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
    return Model(
        _coefficients([run.work.of_seconds() for run in runs], [run.seconds for run in runs]),
        _coefficients([run.work.of_bytes() for run in runs], [run.num_bytes for run in runs]),
    )


def _coefficients(parts: Sequence[Sequence[float]], wanted: Sequence[float]) -> tuple[float, ...]:
    scaled = np.array(parts) / np.array(wanted)[:, None]
    kept = list(range(scaled.shape[1]))
    while True:
        found, *_ = np.linalg.lstsq(scaled[:, kept], np.ones(len(wanted)), rcond=None)
        if (found >= 0).all():
            break
        kept.pop(int(np.argmin(found)))  # As nothing costs less than nothing.
    coefficients = np.zeros(scaled.shape[1])
    coefficients[kept] = found
    return tuple(coefficients.tolist())


def left_out_errors(runs: Sequence[Run]) -> dict[str, tuple[float, float]]:
    """Run -> relative errors, of seconds and of bytes, of a model that was fitted on all others."""
    errors = {}
    for place, run in enumerate(runs):
        model = fitted([*runs[:place], *runs[place + 1 :]])
        errors[run.name] = (model.seconds(run.work) / run.seconds - 1, model.num_bytes(run.work) / run.num_bytes - 1)
    return errors


def typical(errors: Sequence[float]) -> str:
    """Median and largest, in words."""
    sizes = sorted(map(abs, errors))
    return f"{sizes[len(sizes) // 2]:.0%} (at most {math.ceil(100 * sizes[-1])} %)"
