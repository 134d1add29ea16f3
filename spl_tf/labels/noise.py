"""Wrong labels on purpose: weak labels of a known quality, made from true ones."""

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
