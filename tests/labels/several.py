"""Targets of several classes a clip, from lists."""

from collections.abc import Sequence

import numpy as np

from spl_tf.labels.targets import SEVERAL, SparseTargets


def several_labels(
    classes: Sequence[Sequence[int] | None], masked: Sequence[Sequence[int]] | None = None
) -> SparseTargets:
    """Targets of "several" from the classes of each clip, None for a discarded one, and those not known of each."""
    masked = [()] * len(classes) if masked is None else masked
    has = [() if own is None else own for own in classes]
    sizes = [len(own) + len(unknown) for own, unknown in zip(has, masked, strict=True)]
    entries = [index for own, unknown in zip(has, masked, strict=True) for index in (*own, *unknown)]
    values = [
        value for own, unknown in zip(has, masked, strict=True) for value in (*[1] * len(own), *[0] * len(unknown))
    ]
    return SparseTargets(
        SEVERAL,
        np.append(0, np.cumsum(sizes)).astype(np.int64),
        np.array(entries, np.int32),
        np.array(values, np.float32),
        np.array([own is not None for own in classes]),
    )
