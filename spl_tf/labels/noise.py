"""Wrong labels on purpose: weak labels of a known quality, made from true ones."""

import numpy as np

# Noisy labels of Clothing1M in percent: rows the noisy, columns the true class, both in the data set's order. Read off
# the figure of Xiao et al. (CVPR 2015); 0 is a cell left blank there, less than 1 %. Columns sum to 93 .. 96.
_CLOTHING1M = (
    (63, 8, 13, 15, 14, 2, 0, 0, 0, 0, 0, 6, 9, 4),  # T-Shirt
    (3, 75, 2, 20, 0, 1, 1, 8, 0, 0, 0, 2, 1, 0),  # Shirt
    (7, 1, 42, 1, 62, 3, 1, 0, 0, 0, 3, 4, 2, 1),  # Knitwear
    (2, 4, 0, 46, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0),  # Chiffon
    (1, 0, 26, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 1),  # Sweater
    (5, 0, 2, 0, 2, 67, 1, 3, 1, 0, 0, 0, 0, 0),  # Hoodie
    (0, 0, 0, 0, 0, 3, 56, 26, 17, 13, 1, 3, 0, 0),  # Windbreaker
    (2, 2, 0, 0, 0, 16, 8, 51, 13, 4, 0, 0, 2, 0),  # Jacket
    (0, 0, 0, 0, 0, 0, 20, 4, 52, 0, 0, 0, 0, 0),  # Down Coat
    (0, 1, 0, 0, 0, 0, 4, 0, 0, 75, 0, 0, 0, 0),  # Suit
    (0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 92, 0, 0, 0),  # Shawl
    (7, 4, 6, 12, 4, 0, 3, 3, 0, 3, 0, 73, 27, 2),  # Dress
    (1, 0, 1, 2, 1, 0, 0, 1, 11, 0, 0, 3, 46, 10),  # Vest
    (4, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 1, 6, 76),  # Underwear
)


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


def clothing1m_transition() -> np.ndarray:
    """How the labels of Clothing1M go wrong: T[i, j] = P(noisy label j | class i) over its 14 classes.

    What the figure leaves of a class, 4 to 7 %, is spread evenly over the classes it shows no number for.

    Returns:
      float64 [14, 14] in the data set's order of classes, rows sum to 1.
    """
    matrix = np.array(_CLOTHING1M, np.float64).T / 100
    blank = matrix == 0
    return matrix + blank * (1 - matrix.sum(axis=1, keepdims=True)) / blank.sum(axis=1, keepdims=True)


def flip_by_transition(truth: np.ndarray, transition: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draws every clip's label from the row of its true class.

    Args:
      truth: int [n], true class ids in [0, N).
      transition: T [N, N], T[i, j] = P(noisy label j | class i).
      generator: draws the labels.

    Returns:
      int32 [n].

    Raises:
      ValueError: an id is out of range, or a row of T is no distribution.
    """
    truth, transition = np.asarray(truth, np.int32), np.asarray(transition, np.float64)
    num_classes = len(transition)
    if (
        transition.shape != (num_classes, num_classes)
        or not (transition >= 0).all()
        or not np.allclose(transition.sum(axis=1), 1)
    ):
        raise ValueError(f"transition {transition.shape} must be [N, N], its rows not negative and with the sum 1")
    if truth.size and not 0 <= truth.min() <= truth.max() < num_classes:
        raise ValueError(f"ids must lie in [0, {num_classes})")
    labels = np.empty_like(truth)
    for class_id, row in enumerate(transition):
        clips = np.flatnonzero(truth == class_id)
        labels[clips] = generator.choice(num_classes, clips.size, p=row / row.sum())
    return labels
