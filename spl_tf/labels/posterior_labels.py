"""Which class a clip shows, given its query and what the teacher sees: a distribution for every cell."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from spl_tf.labels.cell_truth import cell_posteriors
from spl_tf.labels.label_map import Pairs
from spl_tf.labels.targets import DISCARDED, DISTRIBUTION, SparseTargets, distributions

# Less probable classes are left out of a clip's target: they would only make the side-cars long.
_LEAST_PROBABILITY = 1e-3


@dataclasses.dataclass(frozen=True, eq=False)
class CellPosterior:
    """Attributes as of `FittedLabeller`.

    Attributes:
      name: the labeller's.
      class_names: of the N classes.
      cells: distributions of the N * N cells, cell N * l + t in row order.
    """

    name: str
    class_names: tuple[str, ...]
    cells: SparseTargets

    form = DISTRIBUTION
    columns = ()

    @property
    def table(self) -> np.ndarray:
        """int32 [N, N]: the most probable class."""
        num_classes = len(self.class_names)
        best = self.cells.dense(num_classes).argmax(axis=1)
        return np.where(self.cells.kept, best, DISCARDED).astype(np.int32).reshape(num_classes, num_classes)

    @property
    def merges(self) -> np.ndarray:
        return np.zeros((len(self.class_names),) * 2, bool)

    def targets(self, pairs: Pairs) -> SparseTargets:
        return self.cells.take(np.multiply(pairs.weak, len(self.class_names), dtype=np.int64) + pairs.teacher)


def dawid_skene(confusion: np.ndarray, classes: Sequence[str], mean_scores: np.ndarray) -> CellPosterior:
    """P(y | l, t), the query and the teacher taken for two annotators who err independently (Dawid and Skene 1979).

    With A[y, l] = P(query l | class y), B[y, t] = P(prediction t | class y) and the classes' shares pi[y], it is in
    proportion to pi[y] A[y, l] B[y, t]. One step of their EM algorithm: pi, A and B are counted from the clips' first
    estimates, which are the teacher's distributions. Their sums over a cell suffice, so the counts and the cells' mean
    distributions say all.

    Args:
      confusion: int [N, N], clips, rows weak labels, columns teacher predictions.
      classes: the N class names.
      mean_scores: float [N, N, N], the teacher's mean distribution over the clips of each cell, see `statistics`.
    """
    expected = confusion[..., np.newaxis] * mean_scores  # Clips of weak label l, prediction t and class y.
    class_totals = np.maximum(expected.sum(axis=(0, 1)), np.finfo(np.float64).tiny)
    query, prediction = expected.sum(axis=1) / class_totals, expected.sum(axis=0) / class_totals
    joint = class_totals * query[:, np.newaxis] * prediction
    total = joint.sum(axis=2, keepdims=True)
    posterior = np.divide(joint, total, out=np.zeros_like(joint), where=total > 0)
    return CellPosterior("dawid_skene", tuple(classes), _cells(posterior))


def cell_posterior(confusion: np.ndarray, classes: Sequence[str], teacher_rates: np.ndarray) -> CellPosterior:
    """The same, with the teacher's errors as counted on clean clips that it did not learn from.

    B is counted, not taken from the teacher's own probabilities, which are surer than they should be of clips unlike
    those that it learned from. What each query finds, pi[y] A[y, l], is the mixture of classes of which such a teacher
    makes the query's row of the counts, see `cell_truth`.

    Args:
      confusion: int [N, N], clips, rows weak labels, columns teacher predictions.
      classes: the N class names.
      teacher_rates: float [N, N], P(prediction t | class y), rows classes.
    """
    return CellPosterior("cell_posterior", tuple(classes), _cells(cell_posteriors(confusion, teacher_rates)))


def _cells(posterior: np.ndarray) -> SparseTargets:
    """Targets of the cells, from distributions or zeros, float [N, N, N]."""
    cells = posterior.reshape(-1, len(posterior)).copy()
    cells[cells < _LEAST_PROBABILITY] = 0
    kept = cells.sum(axis=1) > 0
    cells[kept] /= cells[kept].sum(axis=1, keepdims=True)
    return distributions(cells, kept)
