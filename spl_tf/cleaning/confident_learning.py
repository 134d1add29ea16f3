"""Confident learning (Northcutt et al., JAIR 2021) by the cleanlab library."""

import numpy as np

from spl_tf.errors import UserError


def require_cleanlab() -> None:
    """Raises UserError without the library; to be asked before hours of work."""
    try:
        import cleanlab.filter  # noqa: F401
    except ImportError as error:
        raise UserError("confident learning needs cleanlab: pip install 'spl_tf[cleaning]'") from error


def find_mistakes(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Which labels are wrong, as cleanlab's "prune by noise rate" says.

    Args:
      labels: int [n], noisy labels.
      scores: float [n, N], class probabilities by a network that did not learn these labels.

    Returns:
      bool [n].

    Raises:
      UserError: cleanlab is not installed.
    """
    require_cleanlab()
    from cleanlab.filter import find_label_issues

    # A mean of float32 probabilities may be above 1 by a rounding.
    # More jobs would fork a process that runs TensorFlow.
    return find_label_issues(labels, np.clip(scores, 0.0, 1.0), filter_by="prune_by_noise_rate", n_jobs=1)
