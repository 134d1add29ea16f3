"""CROWDLAB (Goh, Tkachenko and Mueller 2022): the query is its one annotator, the teacher its classifier."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from spl_tf.labels.cell_truth import classes_of_queries
from spl_tf.labels.label_map import Pairs
from spl_tf.labels.targets import DISTRIBUTION, SparseTargets

# As of its authors' code, cleanlab: a voice is never without any weight.
_LEAST_WEIGHT = 1e-6
# Less probable classes are left out of a clip's target: they would only make the side-cars long.
_LEAST_PROBABILITY = 1e-3


@dataclasses.dataclass(frozen=True, eq=False)
class Crowdlab:
    """Attributes as of `FittedLabeller`.

    Attributes:
      class_names: of the N classes.
      query_right: share of the queries that are right.
      query_weight: of the query's voice.
      teacher_weight: of the teacher's.
    """

    class_names: tuple[str, ...]
    query_right: float
    query_weight: float
    teacher_weight: float

    name = "crowdlab"
    form = DISTRIBUTION
    columns = ("top_classes", "top_scores")

    @property
    def table(self) -> np.ndarray:
        """int32 [N, N]: the teacher's class where it outweighs the query when it is sure, else the query's."""
        query, seen = np.indices((len(self.class_names),) * 2, dtype=np.int32)
        is_outweighed = self.query_weight * self.query_right > self.teacher_weight + self._on_others
        return query if is_outweighed else seen

    @property
    def merges(self) -> np.ndarray:
        return np.zeros((len(self.class_names),) * 2, bool)

    @property
    def _on_others(self) -> float:
        """What the query's voice gives to each class but its own."""
        return self.query_weight * (1 - self.query_right) / max(len(self.class_names) - 1, 1)

    def targets(self, pairs: Pairs) -> SparseTargets:
        """Distributions over the query's class and those whose scores are stored."""
        num_classes = len(self.class_names)
        stored, scores = pairs.column("top_classes"), pairs.column("top_scores").astype(np.float64)
        is_weak = stored == pairs.weak[:, np.newaxis]
        others = num_classes - stored.shape[1]
        rest = np.maximum(1 - scores.sum(axis=1), 0) / max(others, 1)
        # Of a query that is not among the stored classes the score is not known: as large as any that is not.
        on_weak = self.teacher_weight * rest + self.query_weight * self.query_right
        voices = self.teacher_weight * scores + np.where(is_weak, self.query_weight * self.query_right, self._on_others)
        voices = np.column_stack([voices, np.where(is_weak.any(axis=1), 0.0, on_weak)])
        classes = np.column_stack([stored, pairs.weak])
        voices /= voices.sum(axis=1, keepdims=True)
        voices[voices < _LEAST_PROBABILITY] = 0
        voices /= voices.sum(axis=1, keepdims=True)
        filled = voices > 0
        offsets = np.append(0, np.cumsum(filled.sum(axis=1)))
        values = voices[filled].astype(np.float32)
        return SparseTargets(
            DISTRIBUTION, offsets, classes[filled].astype(np.int32), values, np.ones(len(voices), bool)
        )


def crowdlab(confusion: np.ndarray, classes: Sequence[str], teacher_rates: np.ndarray) -> Crowdlab:
    """A weighted mean of the teacher's probabilities and of what the query says, whose weights are what each is worth.

    q = (w_M p + w_l a(l)) / (w_M + w_l), where a(l) gives the share of right queries to l and the rest to the other
    classes evenly, and a voice weighs max(1 - error / error of always saying the most frequent class, 1e-6).

    CROWDLAB counts these errors on examples that several annotators labelled. Here a clip has one query, so they come
    from the teacher's confusion on clean clips: with it the counts tell which classes each query finds (`cell_truth`),
    how often it is right, and how often a teacher is that errs on such a mixture as it does on clean clips. The
    teacher's probabilities count as they are: calibrate them where they are too sure. Of classes beyond the k best the
    scores are not stored, so all of these but the query's are left out, and the others share their probability in
    proportion; with all scores stored nothing is left out but probabilities below 0.1 %.

    Args:
      confusion: int [N, N], clips, rows weak labels, columns teacher predictions.
      classes: the N class names.
      teacher_rates: float [N, N], P(prediction t | class y), rows classes.
    """
    shown = classes_of_queries(confusion, teacher_rates)
    total = max(float(shown.sum()), 1.0)
    share_of_class = shown.sum(axis=0) / total
    query_right = float(np.trace(shown) / total)
    teacher_right = float(share_of_class @ np.diagonal(teacher_rates))
    error_of_guess = 1 - float(share_of_class.max())
    weights = (voice_weight(right, error_of_guess) for right in (query_right, teacher_right))
    return Crowdlab(tuple(classes), query_right, *weights)


def voice_weight(right: float, error_of_guess: float) -> float:
    """What a voice that is so often right weighs, where always saying the most frequent class errs so often."""
    return max(1 - (1 - right) / max(error_of_guess, _LEAST_WEIGHT), _LEAST_WEIGHT)
