"""What the clips of every cell of the confusion matrix really show, estimated without looking at a clip."""

import numpy as np

# What a cell shows takes 8 N^3 bytes, several times: half a gigabyte each. Of more classes nothing is expected.
MOST_CLASSES = 400

_MOST_STEPS = 1000
# Of the clips of a query; less is nothing beside the chance in the counts.
_LEAST_CHANGE = 1e-5


def classes_of_queries(confusion: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """How many clips of every query show each class: float64 [N, N], rows queries, columns classes.

    A query finds a mixture of classes, and the teacher, who errs as on clean clips whatever the query, makes of it the
    row of the confusion matrix: C[l] = J[l] B. J is the most likely mixture, found by expectation maximization from
    the row's own predictions (Saerens, Latinne and Decaestecker 2002, with counts for probabilities).

    Args:
      confusion: [N, N], clips, rows weak labels, columns teacher predictions.
      rates: float [N, N], B[y, t] = P(prediction t | class y), nowhere 0.
    """
    totals = confusion.sum(axis=1, keepdims=True)
    mixtures = (confusion + 1 / len(confusion)) / (totals + 1)
    shares = confusion / np.maximum(totals, 1)
    for _ in range(_MOST_STEPS):
        moved = mixtures * ((shares / (mixtures @ rates)) @ rates.T)
        # A query without clips has no share of anything.
        moved = np.where(totals > 0, moved, mixtures)
        change, mixtures = np.abs(moved - mixtures).max(), moved
        if change < _LEAST_CHANGE:
            break
    return totals * mixtures


def cell_posteriors(confusion: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """P(class | weak label, prediction) where query and teacher err independently: float64 [N, N, N].

    A cell of a query without clips has zeros, a distribution everywhere else. Takes 8 N^3 bytes, 64 MB of 200 classes.

    Args:
      confusion, rates: as of `classes_of_queries`.
    """
    joint = classes_of_queries(confusion, rates)[:, np.newaxis, :] * rates.T
    totals = joint.sum(axis=2, keepdims=True)
    return np.divide(joint, totals, out=joint, where=totals > 0)


def expected_truth(confusion: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """How many clips of every cell show each class: float64 [N, N, N], weak label by prediction by class.

    Every clip is taken to show one of the classes. Where the teacher errs more on web clips than on clean ones, which
    is the rule, the labels are worse than this says.

    Args:
      confusion, rates: as of `classes_of_queries`.
    """
    return confusion[..., np.newaxis] * cell_posteriors(confusion, rates)
