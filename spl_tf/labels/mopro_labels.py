"""MoPro's correction of labels, without its prototypes (Li, Xiong and Hoi, ICLR 2021, section 3.2)."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from spl_tf.errors import UserError
from spl_tf.labels.label_map import Pairs
from spl_tf.labels.targets import DISCARDED, SINGLE, SingleLabels


@dataclasses.dataclass(frozen=True, eq=False)
class MoproLabels:
    """Attributes as of `FittedLabeller`, and the threshold."""

    class_names: tuple[str, ...]
    threshold: float

    name = "mopro"
    form = SINGLE
    columns = ("confidence", "top_classes", "top_scores")

    @property
    def table(self) -> np.ndarray:
        """int32 [N, N]: the teacher's class, which its surest clips get."""
        num_classes = len(self.class_names)
        return np.tile(np.arange(num_classes, dtype=np.int32), (num_classes, 1))

    @property
    def merges(self) -> np.ndarray:
        return np.zeros((len(self.class_names),) * 2, bool)

    def targets(self, pairs: Pairs) -> SingleLabels:
        is_weak = pairs.column("top_classes") == pairs.weak[:, np.newaxis]
        score_of_weak = np.where(is_weak, pairs.column("top_scores"), 0).sum(axis=1)
        labels = np.where(score_of_weak > 1 / len(self.class_names), pairs.weak, DISCARDED)
        labels = np.where(pairs.column("confidence") > self.threshold, pairs.teacher, labels)
        return SingleLabels(labels.astype(np.int32))


def mopro(confusion: np.ndarray, classes: Sequence[str], *, threshold: float = 0.8) -> MoproLabels:
    """t where the teacher is sure of it, else l where l is more likely than by chance, else the clip is discarded.

    "Sure" is a probability above `threshold`, "by chance" is 1 / N. The paper mixes the classifier's probabilities with
    a softmax over the similarity to class prototypes that it learns on the way; here they are the teacher's alone, its
    mixing weight alpha = 1. Asks for the teacher's k best scores: a query that is not among them counts as not more
    likely than by chance, which is exact where the k-th score is at most 1 / N, as it always is from k = N - 1 on.

    Args:
      confusion: int [N, N]; not looked at, every clip is judged by itself.
      classes: the N class names.
      threshold: the paper's T.

    Raises:
      UserError: `threshold` is no probability.
    """
    if not 0 <= threshold <= 1:
        raise UserError(f"mopro: threshold is {threshold}, a probability: choose a number from 0 to 1")
    return MoproLabels(tuple(classes), threshold)
