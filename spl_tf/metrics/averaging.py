"""One score vector per video out of many: the mean over its views and its records."""

import dataclasses

import numpy as np

from spl_tf.errors import UserError


@dataclasses.dataclass
class VideoScores:
    """Running means of class scores, keyed by video id, in the order the videos were met."""

    sums: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    labels: dict[str, int] = dataclasses.field(default_factory=dict)

    def add(self, video_id: str, label: int, scores: np.ndarray) -> None:
        """Adds one view's scores, float [N].

        Raises:
          UserError: the video was met before with another label.
        """
        if self.labels.setdefault(video_id, label) != label:
            raise UserError(
                f"video {video_id} has clips of classes {self.labels[video_id]} and {label}, so their scores can't be "
                "averaged: give each labelled part a video_id of its own in the manifest and run spl_tf.shard again"
            )
        self.sums[video_id] = self.sums.get(video_id, 0.0) + scores.astype(np.float64)
        self.counts[video_id] = self.counts.get(video_id, 0) + 1

    def means(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        """(video ids, labels int64 [V], mean scores float64 [V, N])."""
        ids = list(self.sums)
        labels = np.array([self.labels[video] for video in ids], dtype=np.int64)
        return ids, labels, np.stack([self.sums[video] / self.counts[video] for video in ids])
