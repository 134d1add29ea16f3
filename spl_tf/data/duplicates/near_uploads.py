"""Which of many videos are copies of others, by content, and which of two copies is kept.

Two uploads are copies when one shows most of the other. The intact one is kept before a damaged one, then the
better-ranked; but what is no more than half of a longer upload is never kept in its place: that would lose the rest.
Of a held-out video already a piece is too much.
"""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from spl_tf.data.duplicates.fingerprint_files import FingerprintFiles
from spl_tf.data.duplicates.lookalikes import VIEWS, find_lookalikes
from spl_tf.data.duplicates.pairs import Common, Pair, compare_pairs

_MUCH_LONGER = 2.0


@dataclasses.dataclass(frozen=True)
class NearCopy:
    """What a video is a copy of: the position of the one that is kept or held out, and what they have in common."""

    partner: int
    common: Common


def find_copies(
    fingerprints: FingerprintFiles, is_held_out: np.ndarray, contents: Sequence[str], num_workers: int
) -> dict[int, NearCopy]:
    """Finds, position by position, what is a copy of one that is kept, or of a held-out video.

    Args:
      fingerprints: of all videos, the better-ranked first.
      is_held_out: which of them are no uploads, bool [N]: nothing is a reason to drop them.
      contents: equal for parts of one file, which are no copies of each other.
      num_workers: threads, then processes. What is found does not depend on them.
    """
    return _Search(fingerprints, is_held_out, contents, num_workers).run()


class _Search:
    """Which videos take part still, and all that was found out so far."""

    def __init__(
        self, fingerprints: FingerprintFiles, is_held_out: np.ndarray, contents: Sequence[str], num_workers: int
    ):
        self._num_workers = num_workers
        self._fingerprints, self._is_held_out, self._contents = fingerprints, is_held_out, contents
        self._takes_part = fingerprints.is_made.copy()
        self._matches: dict[tuple[int, int], Common | None] = {}
        self._copies: dict[int, NearCopy] = {}

    def run(self) -> dict[int, NearCopy]:
        while True:
            found = find_lookalikes(self._fingerprints.chunks, self._takes_part, self._is_held_out, self._num_workers)
            before = self._takes_part.sum()
            self._compare(found.pairs)
            self._drop(found.pairs[:, :2])
            # In a crowd only the most similar ones were compared: without its copies there is room for others.
            if not found.left_out or self._takes_part.sum() == before:
                break
        if found.left_out:
            print(f"{found.left_out:,} pairs of moments that look alike from afar were not compared: too many alike")
        return self._copies

    def _compare(self, listed: np.ndarray) -> None:
        videos = np.sort(listed[:, :2], axis=1).tolist()
        new = [place for place, pair in enumerate(videos) if self._is_new(*pair)]
        found = compare_pairs([self._pair(*listed[place].tolist()) for place in new], self._num_workers)
        self._matches |= {tuple(videos[place]): common for place, common in zip(new, found, strict=True)}

    def _is_new(self, first: int, second: int) -> bool:
        is_known = (first, second) in self._matches or self._contents[first] == self._contents[second]
        return not is_known and not (self._is_held_out[first] and self._is_held_out[second])

    def _pair(self, first: int, second: int, view: int, first_place: int, second_place: int) -> Pair:
        pictures = self._fingerprints[first], self._fingerprints[second]
        by_pieces = bool(self._is_held_out[[first, second]].any())
        return Pair(*pictures, VIEWS[view], first_place, second_place, by_pieces)

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
            NearCopy(early, match)
            for early in candidates
            if self._takes_part[early] and (match := self._matches[min(early, late), max(early, late)])
        ]
        if near and self._takes_part[late] and not self._is_held_out[late]:
            self._copies[late] = min(near, key=lambda copy: (copy.common.distance, copy.partner))
            self._takes_part[late] = False
