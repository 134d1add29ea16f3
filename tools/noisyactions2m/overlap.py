"""Pairs of classes that have nearly the same videos, found without looking at every pair."""

from collections.abc import Iterator, Sequence

import numpy as np

from spl_tf.errors import UserError

# Pairs whose intersections are counted at once.
_CHUNK = 16_384


class VideoSets:
    """The video sets of N classes.

    Attributes:
      sizes: int64 [N], videos of each class.
    """

    def __init__(self, labels: Sequence[Sequence[int]], num_classes: int):
        """Args:
          labels: of each video, class positions, each once.
          num_classes: N.

        Raises:
          UserError: scipy is not installed.
        """
        try:
            from scipy import sparse
        except ImportError as error:
            raise UserError(
                f"comparing video sets needs scipy ({error}): pip install 'spl_tf[noisyactions2m]'"
            ) from error
        counts = np.fromiter(map(len, labels), np.int64, len(labels))
        flat = np.fromiter((label for row in labels for label in row), np.int64, int(counts.sum()))
        # The videos with the fewest labels come first: a prefix of them is shared by the fewest classes.
        rank = np.empty(len(labels), np.int64)
        rank[np.argsort(counts, kind="stable")] = np.arange(len(labels))
        ones = np.ones(len(flat), np.int32)
        self._sets = sparse.csr_array((ones, (flat, np.repeat(rank, counts))), shape=(num_classes, len(labels)))
        self._sets.sort_indices()
        self.sizes = np.diff(self._sets.indptr).astype(np.int64)

    def intersections(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Videos that both classes of each pair have: int64 [P], of two int64 [P]."""
        counted = [np.zeros(0, np.int64)]
        for start in range(0, len(first), _CHUNK):
            part = slice(start, start + _CHUNK)
            shared = self._sets[first[part]].multiply(self._sets[second[part]])
            counted.append(np.asarray(shared.sum(axis=1)).ravel())
        return np.concatenate(counted)

    def candidates(self, threshold: float, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Pairs first < second, among them all whose Jaccard index is above the threshold: int64 [P], int64 [P].

        Prefix filter: a set of n videos shares more than threshold * n of them with such a partner, so that, with the
        videos of every set in one order, the first n - floor(threshold * n) of both have a video in common. Most
        pairs have none there, and are never looked at.

        Args:
          threshold: from 0 to 1.
          least: videos both classes have.
        """
        from scipy import sparse

        # A product that rounding lifted to the next whole number would make the prefix one too short.
        shared = np.floor(threshold * self.sizes - 1e-9).clip(0).astype(np.int64)
        place = np.arange(self._sets.nnz) - np.repeat(self._sets.indptr[:-1], self.sizes)
        kept = place < np.repeat(np.where(self.sizes >= least, self.sizes - shared, 0), self.sizes)
        rows = np.repeat(np.arange(len(self.sizes)), self.sizes)[kept]
        ones = np.ones(len(rows), np.int32)
        prefixes = sparse.csr_array((ones, (rows, self._sets.indices[kept])), shape=self._sets.shape)
        together = sparse.triu(prefixes @ prefixes.T, k=1).tocoo()
        first, second = together.row.astype(np.int64), together.col.astype(np.int64)
        smaller, larger = np.sort(self.sizes[np.stack([first, second])], axis=0)
        possible = smaller > threshold * larger - 1e-9
        order = np.lexsort((second[possible], first[possible]))
        return first[possible][order], second[possible][order]

    def above(self, threshold: float, least: int = 1) -> Iterator[tuple[int, int]]:
        """The pairs first < second with |A and B| / |A or B| > threshold and at least so many videos in A and in B."""
        first, second = self.candidates(threshold, least)
        shared = self.intersections(first, second)
        similar = jaccard(shared, self.sizes[first], self.sizes[second]) > threshold
        yield from zip(first[similar].tolist(), second[similar].tolist(), strict=True)


def jaccard(shared: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Videos both sets have over videos either has, 0 for two empty sets: float64 [P]."""
    return shared / np.maximum(first + second - shared, 1)


def groups(pairs: Sequence[tuple[int, int]], number: int) -> list[int]:
    """The smallest member of each one's group, of groups joined by the pairs (union-find with halved paths)."""
    parents = list(range(number))

    def root(member: int) -> int:
        while parents[member] != member:
            parents[member] = parents[parents[member]]
            member = parents[member]
        return member

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parents[high] = low
    return [root(member) for member in range(number)]
