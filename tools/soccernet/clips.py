"""From annotated moments to clips of equal length, and clips of Background between them. Times are milliseconds."""

import dataclasses
import itertools
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from tools.soccernet.annotations import BACKGROUND, Problem


@dataclasses.dataclass(frozen=True)
class Half:
    """A half of a game with its video, and the video's length by its header."""

    game: str
    number: int
    path: str
    length_ms: int


@dataclasses.dataclass(frozen=True)
class Clip:
    """A row of the manifest; time_ms is the event's, or the clip's middle; label as annotated, empty for Background."""

    half: Half
    start_ms: int
    end_ms: int
    class_name: str
    time_ms: int
    label: str = ""

    @property
    def video_id(self) -> str:
        return f"{self.half.game}/{self.half.number}@{self.time_ms / 1000:.3f}-{self.class_name}"


@dataclasses.dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes:
      clips: by game, half and start.
      problems: what gave none, in the order of the games.
      wanted_background: clips of Background that should have been drawn.
    """

    clips: list[Clip]
    problems: list[Problem]
    wanted_background: int


def around(time_ms: int, clip_ms: int, length_ms: int) -> tuple[int, int]:
    """Start and end of the clip around a moment; near an end of the video it is moved inside.

    A video that is shorter than a clip is one clip.
    """
    start = max(0, min(time_ms - clip_ms // 2, length_ms - clip_ms))
    return start, min(start + clip_ms, length_ms)


def background_clips(
    moments: Mapping[Half, Collection[int]], clip_ms: int, distance_ms: int, count: int, seed: int
) -> list[Clip]:
    """Draws clips that keep a distance from every moment and do not overlap.

    Every half gives one clip before another half gives its second, and so on. What is drawn depends on the names of
    the halves and the seed, not on the order of `moments`.

    Args:
      moments: of each half, whatever is annotated.
      clip_ms: length of a clip.
      distance_ms: from each moment of a clip to whatever is annotated, at least.
      count: clips; fewer where there is no room.
      seed: of the draw.
    """
    drawn = []
    for half, times in moments.items():
        generator = np.random.default_rng([seed, half.number, *half.game.encode()])
        starts = _free_places(times, half.length_ms, clip_ms, distance_ms, generator)
        turn = generator.random()
        drawn += [(rank, turn, half, starts[place]) for rank, place in enumerate(generator.permutation(len(starts)))]
    drawn.sort(key=lambda entry: (*entry[:2], entry[2].game, entry[2].number))
    return [Clip(half, start, start + clip_ms, BACKGROUND, start + clip_ms // 2) for _, _, half, start in drawn[:count]]


def _free_places(
    times: Collection[int], length_ms: int, clip_ms: int, distance_ms: int, generator: np.random.Generator
) -> Sequence[int]:
    """Starts of as many clips as there is room for, side by side from a random place in each gap."""
    places = []
    begins = [0, *(time + distance_ms for time in sorted(times))]
    ends = [*(time - distance_ms for time in sorted(times)), length_ms]
    for begin, end in zip(itertools.accumulate(begins, max), ends, strict=True):
        room = min(end, length_ms) - begin
        if room >= clip_ms:
            first = begin + int(generator.integers(room % clip_ms + 1))
            places += [first + number * clip_ms for number in range(room // clip_ms)]
    return places
