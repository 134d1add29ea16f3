"""Names of the cleaning methods, for those who only ask whether there is such a method."""

from spl_tf.labels.pair_labeller import find

CONFIDENT_LEARNING = "confident_learning"
METHODS = ("cleannet_soft", "cleannet_hard", CONFIDENT_LEARNING)


def require_method(name: str) -> None:
    """Raises UserError, with the nearest name, when there is no method of that name."""
    find(name, dict.fromkeys(METHODS), "method", "methods")
