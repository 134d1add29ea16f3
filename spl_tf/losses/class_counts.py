"""How often the classes occur in training, for losses that weigh rare and frequent ones apart."""

from typing import NamedTuple

import numpy as np


class ClassCounts(NamedTuple):
    """Clips of every class among those that training uses: discarded clips count nowhere.

    Clips, not videos. NoisyActions2M draws one clip a video and epoch, so there the two are the same; here a video of
    several clips counts as often as an epoch shows it, which is what a prior of the training samples means.

    Attributes:
      clips: int64 [N], clips that have each class.
      total: all of them; a clip of several classes is one.
    """

    clips: np.ndarray
    total: int
