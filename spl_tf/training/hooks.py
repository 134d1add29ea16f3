"""What looks on while a stage is trained: it is told, and changes nothing in the weights."""

import dataclasses

import numpy as np

from spl_tf.metrics.evaluation import Evaluation


@dataclasses.dataclass(frozen=True, eq=False)
class LoopReport:
    """What is known of the steps since the last report.

    Attributes:
      step: steps done in all.
      num_steps: steps of this loop.
      seconds: it took, without evaluations.
      means: "loss" and the objective's measures over its clips.
      state: "learning_rate", "gradient_norm" (the loop's mean) and "weight_norm" after its last step.
      data_seconds: of `seconds`, spent waiting for batches.
      clips: a few of the last batch as the network saw them, float32 [n, T, H, W, 3]; of several views a clip, all
        of them one after the other, [n * V, T, H, W, 3].
      targets: the rest of what the batch holds of them, [n, ...] each.
    """

    step: int
    num_steps: int
    seconds: float
    means: dict[str, float]
    state: dict[str, float]
    data_seconds: float
    clips: np.ndarray
    targets: dict[str, np.ndarray]


class Hook:
    """Looks on. A context for as long as the stage is trained."""

    def __enter__(self) -> "Hook":
        return self

    def __exit__(self, kind: type[BaseException] | None, *details) -> None:
        """Ends, in whatever way the training ended."""

    def limit(self, step: int, num_steps: int) -> int:
        """How many of the next steps may be run before the hook is told again."""
        return num_steps

    def before(self, step: int) -> None:
        """Some steps are about to be run after `step` of them."""

    def after(self, report: LoopReport) -> None:
        """They have been run."""

    def evaluated(self, step: int, evaluation: Evaluation) -> None:
        """The validation split was scored."""
