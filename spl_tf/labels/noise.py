"""Wrong labels on purpose: weak labels of a known quality, made from true ones."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np


def flip_uniformly(
    truth: np.ndarray, share_right: float, num_classes: int, generator: np.random.Generator
) -> np.ndarray:
    """Keeps the wanted share of every class' labels and spreads the others evenly over the wrong classes.

    Args:
      truth: int [n], true class ids in [0, N).
      share_right: of the labels of each class that stay; the count is rounded.
      num_classes: N, at least 2.
      generator: decides which labels stay and what the others become.

    Returns:
      int32 [n].

    Raises:
      ValueError: an id or the share is out of range.
    """
    truth = np.asarray(truth, np.int32)
    if (
        num_classes < 2
        or not 0 <= share_right <= 1
        or (truth.size and not 0 <= truth.min() <= truth.max() < num_classes)
    ):
        raise ValueError(f"share_right {share_right} and ids must lie in [0, 1] and [0, {num_classes})")
    labels = truth.copy()
    for class_id in range(num_classes):
        rows = generator.permutation(np.flatnonzero(truth == class_id))
        wrong = rows[round(share_right * rows.size) :]
        labels[wrong] = (class_id + generator.integers(1, num_classes, wrong.size)) % num_classes
    return labels


def flip_stratified(truth: np.ndarray, share: float, num_classes: int, seed: int) -> np.ndarray:
    """Flips exactly ceil(share * n_c) labels of every class c, each to one of the other classes with equal chance.

    As in the noisy lists of NoisyActions2M's authors, whose "asymmetric" noise (Table 6) this is. As in
    `flip_by_matrix`, a class's draw depends on nothing but the seed and its number of labels, and with one seed the
    labels that a smaller share flips are flipped by a larger one too, to the same classes.

    Args:
      truth: int [n], true class ids in [0, N).
      share: of each class's labels; taken as the decimal number it is written as, so that 0.1 of 30 is 3.
      num_classes: N, at least 2.
      seed: 0 or more.

    Returns:
      int32 [n].

    Raises:
      ValueError: an id or the share is out of range.
    """
    truth = _checked(truth, num_classes)
    if not 0 <= share <= 1:
        raise ValueError(f"share {share} must lie in [0, 1]")
    labels = truth.copy()
    for class_id, rows, generator in _by_class(truth, seed):
        flipped = generator.permutation(rows.size)[: math.ceil(Fraction(str(share)) * rows.size)]
        others = (class_id + generator.integers(1, num_classes, rows.size)) % num_classes
        labels[rows[flipped]] = others[flipped]
    return labels


def flip_by_matrix(truth: np.ndarray, matrix: np.ndarray, seed: int) -> np.ndarray:
    """Draws every label on its own: of class i it becomes j with the probability matrix[i, j].

    Args:
      truth: int [n], true class ids in [0, N).
      matrix: float [N, N], rows sum to 1.
      seed: 0 or more.

    Returns:
      int32 [n].

    Raises:
      ValueError: an id is out of range.
    """
    truth = _checked(truth, len(matrix))
    labels = truth.copy()
    for class_id, rows, generator in _by_class(truth, seed):
        others = np.asarray(matrix[class_id], np.float64).copy()
        others[class_id] = 0
        total = others.sum()
        if total == 0:
            continue
        is_flipped = generator.random(rows.size) < total
        drawn = generator.choice(len(matrix), rows.size, p=others / total)
        labels[rows[is_flipped]] = drawn[is_flipped]
    return labels


def symmetric_matrix(num_classes: int, probability: float) -> np.ndarray:
    """P(label j | class i): wrong with the probability, each of the other classes as likely; float64 [N, N]."""
    matrix = np.full((num_classes, num_classes), probability / (num_classes - 1))
    np.fill_diagonal(matrix, 1 - probability)
    return matrix


def pair_matrix(num_classes: int, probability: float, targets: Sequence[int]) -> np.ndarray:
    """P(label j | class i): with the probability the one other class it is mistaken for; float64 [N, N].

    Args:
      num_classes: N.
      probability: of a wrong label.
      targets: [N], the other class of each; a class that is its own has no wrong labels.
    """
    matrix = np.eye(num_classes) * (1 - probability)
    matrix[np.arange(num_classes), targets] += probability
    return matrix


def _checked(truth: np.ndarray, num_classes: int) -> np.ndarray:
    truth = np.asarray(truth, np.int32)
    if num_classes < 2 or (truth.size and not 0 <= truth.min() <= truth.max() < num_classes):
        raise ValueError(f"ids must lie in [0, {num_classes}), of at least 2 classes")
    return truth


def _by_class(truth: np.ndarray, seed: int) -> Iterator[tuple[int, np.ndarray, np.random.Generator]]:
    """Each class that occurs, the places of its labels, and what draws for it alone."""
    for class_id in np.unique(truth).tolist():
        yield class_id, np.flatnonzero(truth == class_id), np.random.default_rng([seed, class_id])
