"""What a labeller may be fitted on beside the counts, added up over the prediction side-cars."""

import numpy as np

from spl_tf.labels.label_map import Pairs


class MeanScores:
    """The teacher's mean distribution over the clips of every cell, from its k best scores.

    What the k best leave of a clip's probability is spread evenly over the other classes. Takes 8 N^3 bytes, 64 MB
    of 200 classes.
    """

    columns = ("top_classes", "top_scores")

    def __init__(self, num_classes: int):
        self._num_classes = num_classes
        self._sums = np.zeros((num_classes**2, num_classes))
        self._rest = np.zeros(num_classes**2)

    def add(self, pairs: Pairs) -> None:
        cells = np.multiply(pairs.weak, self._num_classes, dtype=np.int64) + pairs.teacher
        classes, scores = pairs.column("top_classes"), pairs.column("top_scores")
        others = self._num_classes - scores.shape[1]
        # A mean of float32 probabilities may be above 1 by a rounding.
        left = np.maximum(1 - scores.sum(axis=1, dtype=np.float64), 0)
        rest = left / others if others > 0 else np.zeros_like(left)
        np.add.at(self._sums, (cells[:, np.newaxis], classes), scores - rest[:, np.newaxis])
        self._rest += np.bincount(cells, rest, self._num_classes**2)

    def result(self, counts: np.ndarray) -> np.ndarray:
        """float64 [N, N, N], weak label by prediction by class; zeros for cells without clips.

        Args:
          counts: int [N, N], the clips that were added.
        """
        means = (self._sums + self._rest[:, np.newaxis]) / np.maximum(counts.reshape(-1, 1), 1)
        return means.reshape((self._num_classes,) * 3)


# Not added up but counted on clean clips, see `teacher_confusion`: float64 [N, N], P(prediction t | class y).
TEACHER_RATES = "teacher_rates"

# By the name of the parameter with which a labeller asks for it.
STATISTICS = {"mean_scores": MeanScores}
