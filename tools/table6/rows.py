"""The rows of table 6 on a small data set: what is compared, over which seeds."""

import dataclasses
import itertools

SEEDS = (0, 1, 2)


@dataclasses.dataclass(frozen=True)
class Row:
    """What one row of the table does otherwise than the recipe.

    Attributes:
      strategy: of `spl_tf.labels.strategies` or `spl_tf.cleaning`, or "none".
      bindings: gin's, beside those of the recipe.
      transition: where the matrix of a correction comes from: "estimated" from the network that learned the noisy
        labels, "counted" on images with both labels, without any on the teacher's classes; None for no matrix.
    """

    strategy: str
    bindings: tuple[str, ...] = ()
    transition: str | None = None


_LOSS = "pretrain/train_stage.loss = @{}_correction"


def _data_parameters(mode: str) -> Row:
    bindings = "pretrain/train_stage.data_parameters = @DataParameters", f"pretrain/DataParameters.mode = '{mode}'"
    return Row("weak", bindings)


# Lines of a results file know a row by its name: one with other settings needs another name.
ROWS = {
    "none": Row("none"),
    "weak": Row("weak"),
    "teacher": Row("teacher"),
    "agreement": Row("agreement"),
    "spl": Row("spl"),
    "spl_m": Row("spl_m"),
    "spl_d": Row("spl_d"),
    "spl_b": Row("spl_b"),
    "forward_estimated": Row("weak", (_LOSS.format("forward"),), "estimated"),
    "forward_counted": Row("weak", (_LOSS.format("forward"),), "counted"),
    "backward_counted": Row("weak", (_LOSS.format("backward"),), "counted"),
    "data_parameters_class": _data_parameters("class"),
    "data_parameters_instance": _data_parameters("instance"),
    "cleannet_soft": Row("cleannet_soft"),
    "cleannet_hard": Row("cleannet_hard"),
    "confident_learning": Row("confident_learning"),
}


@dataclasses.dataclass(frozen=True)
class Arm:
    """One run to the test set: a row and the seed of everything in it."""

    row: str
    seed: int


def all_arms() -> list[Arm]:
    """Seed by seed, so that whatever is finished can be compared."""
    return [Arm(row, seed) for seed, row in itertools.product(SEEDS, ROWS)]
