"""One score vector per video out of many: the mean over its views and its records."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from spl_tf.errors import UserError


@dataclasses.dataclass
class VideoScores:
    """Running means of class scores, keyed by video id, in the order the videos were met."""

    sums: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    labels: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)

    def add(self, video_id: str, labels: Sequence[int], scores: np.ndarray) -> None:
        """Adds one view's scores, float [N], of a clip with these class ids.

        Raises:
          UserError: the video was met before with other labels, or a score is not finite.
        """
        if not np.isfinite(scores).all():
            raise UserError(f"video {video_id} has scores that are not finite: nothing can be measured by them")
        labels = tuple(labels)
        if self.labels.setdefault(video_id, labels) != labels:
            raise UserError(
                f"video {video_id} has clips of classes {_listed(self.labels[video_id])} and {_listed(labels)}, so "
                "their scores can't be averaged: give each labelled part a video_id of its own in the manifest and run "
                "spl_tf.shard again"
            )
        self.sums[video_id] = self.sums.get(video_id, 0.0) + scores.astype(np.float64)
        self.counts[video_id] = self.counts.get(video_id, 0) + 1

    def merge(self, other: "VideoScores") -> None:
        """Adds all of another's scores.

        Raises:
          UserError: a video has other labels there.
        """
        for video_id, total in other.sums.items():
            self.add(video_id, other.labels[video_id], total)
            self.counts[video_id] += other.counts[video_id] - 1

    @property
    def ids(self) -> list[str]:
        return list(self.sums)

    def means(self) -> np.ndarray:
        """float64 [V, N], mean scores of the videos."""
        return np.stack([self.sums[video] / self.counts[video] for video in self.sums])

    def single_labels(self) -> np.ndarray:
        """int64 [V], the class of every video.

        Raises:
          UserError: a video has no class or several.
        """
        for video in self.sums:
            if len(self.labels[video]) != 1:
                raise UserError(
                    f"video {video} has {len(self.labels[video])} classes: top-k accuracy needs one label a clip"
                )
        return np.array([self.labels[video][0] for video in self.sums], dtype=np.int64)

    def relevance(self, num_classes: int) -> np.ndarray:
        """bool [V, N], which classes every video has."""
        relevant = np.zeros((len(self.sums), num_classes), bool)
        for row, video in enumerate(self.sums):
            relevant[row, list(self.labels[video])] = True
        return relevant


def _listed(labels: Sequence[int]) -> str:
    return " and ".join(map(str, labels)) or "none"
