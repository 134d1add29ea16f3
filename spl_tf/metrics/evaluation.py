"""What an evaluation found, whatever it measured."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """Measures of scored videos.

    Attributes:
      metrics: name -> value; nan where nothing could be measured.
      per_class: name -> float [N], nan for a class without videos.
      confusion: int64 [N, N], videos by true class and prediction, where a video has one class; else None.
    """

    metrics: dict[str, float]
    per_class: dict[str, np.ndarray]
    confusion: np.ndarray | None = None
