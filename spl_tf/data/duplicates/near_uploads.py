"""Which of many videos are copies of others, by content, and which of two copies is kept.

Two uploads are copies when one shows most of the other. The intact one is kept before a damaged one, then the
better-ranked; but what is no more than half of a longer upload is never kept in its place: that would lose the rest.
Of a held-out video already a piece is too much.
"""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from spl_tf.data.duplicates.fingerprint_files import FingerprintFiles
from spl_tf.data.duplicates.lookalikes import VIEWS, find_lookalikes
from spl_tf.data.duplicates.near_duplicates import AROUND, DISTANCE_LIMIT, Match, compare

# Of the shorter upload, the share of its time that the other one shows.
_MOST = 0.75
# Of less than these seconds more is chance: the limit on the distance falls with the root of their number.
_SURE_SECONDS = 6.0
# Of a held-out video, or of an upload that shows it: seconds, and the limit on the distance.
_PIECE_SECONDS = 2.0
_PIECE_LIMIT = 0.06
_MUCH_LONGER = 2.0


@dataclasses.dataclass(frozen=True)
class NearCopy:
    """What a video is a copy of.

    Attributes:
      partner: the position of the one that is kept or held out.
      distance: see `spl_tf.data.duplicates.near_duplicates.Match`.
      seconds: how much the two have in common.
      is_most: whether that is most of the shorter one.
    """

    partner: int
    distance: float
    seconds: float
    is_most: bool


def is_copy(match: Match, shorter_seconds: float) -> bool:
    """Whether what two videos have in common is most of the shorter one, and sure enough."""
    return match.seconds >= _MOST * shorter_seconds and match.distance <= DISTANCE_LIMIT * _sureness(match)


def _is_piece(match: Match) -> bool:
    return match.seconds >= _PIECE_SECONDS and match.distance <= _PIECE_LIMIT * _sureness(match)


def _sureness(match: Match) -> float:
    return min(1.0, match.seconds / _SURE_SECONDS) ** 0.5


def find_copies(
    fingerprints: FingerprintFiles, is_held_out: np.ndarray, contents: Sequence[str]
) -> dict[int, NearCopy]:
    """Finds, position by position, what is a copy of one that is kept, or of a held-out video.

    Args:
      fingerprints: of all videos, the better-ranked first.
      is_held_out: which of them are no uploads, bool [N]: nothing is a reason to drop them.
      contents: equal for parts of one file, which are no copies of each other.
    """
    return _Search(fingerprints, is_held_out, contents).run()


class _Search:
    """Which videos take part still, and all that was found out so far."""

    def __init__(self, fingerprints: FingerprintFiles, is_held_out: np.ndarray, contents: Sequence[str]):
        self._fingerprints, self._is_held_out, self._contents = fingerprints, is_held_out, contents
        self._takes_part = fingerprints.is_made.copy()
        self._matches: dict[tuple[int, int], NearCopy | None] = {}
        self._copies: dict[int, NearCopy] = {}

    def run(self) -> dict[int, NearCopy]:
        while True:
            found = find_lookalikes(self._fingerprints.chunks, self._takes_part, self._is_held_out)
            before = self._takes_part.sum()
            self._compare(found.pairs)
            self._drop(found.pairs[:, :2])
            # In a crowd only the most similar ones were compared: without its copies there is room for others.
            if not found.left_out or self._takes_part.sum() == before:
                break
        if found.left_out:
            print(f"{found.left_out:,} pairs of moments that look alike from afar were not compared: too many alike")
        return self._copies

    def _compare(self, pairs: np.ndarray) -> None:
        listed = tqdm(pairs.tolist(), desc="comparing", unit="pair", disable=not len(pairs))
        for first, second, view, first_place, second_place in listed:
            pair = min(first, second), max(first, second)
            if pair in self._matches or self._contents[first] == self._contents[second]:
                continue
            if self._is_held_out[first] and self._is_held_out[second]:
                continue
            found = self._fingerprints[first], self._fingerprints[second], VIEWS[view], first_place, second_place
            copies = (self._judged(compare(*found, around), *pair) for around in AROUND)
            self._matches[pair] = next((copy for copy in copies if copy), None)

    def _judged(self, match: Match, first: int, second: int) -> NearCopy | None:
        """The copy that the match makes the second of the first; None when they have too little in common."""
        shorter = float(min(self._fingerprints.seconds[[first, second]]))
        is_most = is_copy(match, shorter)
        is_held_out = bool(self._is_held_out[[first, second]].any())
        if not is_most and not (is_held_out and _is_piece(match)):
            return None
        return NearCopy(first, max(0.0, match.distance), match.seconds, is_most)

    def _drop(self, pairs: np.ndarray) -> None:
        """First copies of held-out videos and of about equally long ones, then what a much longer one contains."""
        partners = collections.defaultdict(list)
        for first, second in pairs.tolist():
            if self._matches.get((min(first, second), max(first, second))):
                partners[first].append(second)
                partners[second].append(first)
        seconds, is_damaged = self._fingerprints.seconds, self._fingerprints.is_damaged
        by_worth = sorted(partners, key=lambda place: (not self._is_held_out[place], is_damaged[place], place))
        worth = {place: number for number, place in enumerate(by_worth)}
        for late in by_worth:
            better = [early for early in partners[late] if worth[early] < worth[late]]
            self._drop_as_copy(late, [early for early in better if self._may_replace(early, late)])
        for late in sorted(partners, key=lambda place: (-seconds[place], worth[place])):
            self._drop_as_copy(late, [long for long in partners[late] if seconds[long] > _MUCH_LONGER * seconds[late]])

    def _may_replace(self, early: int, late: int) -> bool:
        """Whether dropping the late one loses no more than a part of it, or must be."""
        shorter, longer = sorted(self._fingerprints.seconds[[early, late]])
        return bool(self._is_held_out[early]) or longer <= _MUCH_LONGER * shorter

    def _drop_as_copy(self, late: int, candidates: Sequence[int]) -> None:
        """Drops a video as a copy of the nearest of those that take part."""
        near = [
            dataclasses.replace(match, partner=early)
            for early in candidates
            if self._takes_part[early] and (match := self._matches[min(early, late), max(early, late)])
        ]
        if near and self._takes_part[late] and not self._is_held_out[late]:
            self._copies[late] = min(near, key=lambda copy: (copy.distance, copy.partner))
            self._takes_part[late] = False
