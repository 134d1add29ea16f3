"""Which recordings are target, web and test videos of a leave-groups-out fold, and what its uploads are cut from."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from spl_tf.errors import UserError
from tools.ucf6.footage import Cut, Footage, Part, Upload, recording

_TARGET_GROUPS = 4  # As in ucf6 itself.


@dataclasses.dataclass(frozen=True)
class Fold:
    """A fold of a set.

    Attributes:
      target: sources of the clean training videos.
      test: likewise; every source is tested in one fold.
      uploads: those of the set, of parts that are of no target or test recording; one whose parts are its own is as
        it was.
      recut: ids of the other uploads, which are cut anew.
      shortened: how many parts are shorter than those they replace, for want of footage.
    """

    target: tuple[str, ...]
    test: tuple[str, ...]
    uploads: tuple[Upload, ...]
    recut: frozenset[str]
    shortened: int


def plan_folds(footage: Footage, folds: int, seconds: Mapping[str, float]) -> list[Fold]:
    """Folds by UCF101's numbers of the groups, the same for all actions.

    The numbers are tested in their order: a fold's test groups, the four after them as target, all others for the web
    set, in a circle. With four folds of 25 groups the first is ucf6's own split. A part of an upload whose recording
    is on another side is replaced by the source of the same action that the fold's web set shows least.

    Args:
      footage: of the set.
      folds: how many, at least two.
      seconds: length of every source's longest footage.

    Raises:
      UserError: there are too few groups, or no footage of an action is left for the web set.
    """
    numbers = sorted({recording(source)[1] for source in footage.sources})
    parts = np.array_split(np.arange(len(numbers)), folds)
    if folds < 2 or min(map(len, parts)) < 1 or len(parts[0]) + _TARGET_GROUPS >= len(numbers):
        raise UserError(
            f"--folds={folds}: a fold needs a test group, {_TARGET_GROUPS} target groups and one for the web set, "
            f"of {len(numbers)}: give another number, at least 2"
        )
    planned = []
    for part in parts:
        test = {numbers[place] for place in part}
        target = {numbers[(part[-1] + 1 + step) % len(numbers)] for step in range(_TARGET_GROUPS)}
        planned.append(_fold(footage, test, target, seconds))
    return planned


def longest(cuts: Sequence[Cut]) -> Cut:
    """The whole video, or the first of the longest cuts."""
    return max(cuts, key=lambda cut: np.inf if cut.length is None else cut.length)


def _fold(footage: Footage, test: set[str], target: set[str], seconds: Mapping[str, float]) -> Fold:
    def sources_of(groups: set[str]) -> tuple[str, ...]:
        return tuple(source for source in footage.sources if recording(source)[1] in groups)

    kept_out = set(sources_of(test | target))
    free = collections.defaultdict(list)  # By action.
    for source in footage.sources:
        if source not in kept_out:
            free[recording(source)[0]].append(source)
    shown = collections.Counter(part.source for upload in footage.uploads for part in upload.parts)
    uploads, recut, shortened = [], set(), 0
    for upload in footage.uploads:
        parts = []
        for part in upload.parts:
            if part.source in kept_out:
                part = _replacement(part, free[recording(part.source)[0]], shown, footage, seconds)
                assert part.cut.length is not None
                shortened += part.cut.length < part.seconds
            parts.append(part)
        if tuple(parts) != upload.parts:
            recut.add(upload.row["video_id"])
            # What is kept is cut where it surely shows its source.
            parts = [dataclasses.replace(part, seconds=part.cut.length) for part in parts]
        uploads.append(dataclasses.replace(upload, parts=tuple(parts)))
    return Fold(sources_of(target), sources_of(test), tuple(uploads), frozenset(recut), shortened)


def _replacement(
    part: Part, candidates: Sequence[str], shown: collections.Counter, footage: Footage, seconds: Mapping[str, float]
) -> Part:
    """The source with enough footage that is shown least; without one, that with the most footage."""
    if not candidates:
        raise UserError(f"no footage of {recording(part.source)[0]} is left for the web set: take fewer folds")
    enough = [source for source in candidates if seconds[source] >= part.seconds]
    chosen = min(enough, key=lambda source: (shown[source], source), default=max(candidates, key=seconds.__getitem__))
    shown[chosen] += 1
    cut = longest(footage.sources[chosen])
    return Part(chosen, part.seconds, dataclasses.replace(cut, length=min(part.seconds, seconds[chosen])))
