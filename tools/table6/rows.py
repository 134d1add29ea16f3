"""The rows of table 6 on a small data set: what is compared, over which seeds."""

import dataclasses
import itertools

from spl_tf.experiment import arms
from spl_tf.experiment.noise_matrices import counted_transition, estimated_transition

_LOSS = "pretrain/train_stage.loss = @{}_correction"


def _data_parameters(mode: str) -> arms.Arm:
    bindings = "pretrain/train_stage.data_parameters = @DataParameters", f"pretrain/DataParameters.mode = '{mode}'"
    return arms.Arm(f"data_parameters_{mode}", "weak", bindings=bindings)


def _of(labels: str, objective: str) -> arms.Arm:
    return arms.Arm(labels, labels, bindings=(f"pretrain/train_stage.objective = @{objective}",))


# Lines of a results file know a row by its name: one with other settings needs another name.
ROWS = {
    arm.name: arm
    for arm in (
        arms.Arm("none", "none"),
        arms.Arm("weak", "weak"),
        arms.Arm("teacher", "teacher"),
        arms.Arm("agreement", "agreement"),
        arms.Arm("spl", "spl"),
        arms.Arm("spl_m", "spl_m"),
        arms.Arm("spl_d", "spl_d"),
        arms.Arm("spl_b", "spl_b"),
        # The network of "weak" estimates; images with both labels are counted, without any the teacher's classes.
        arms.Arm("forward_estimated", "weak", bindings=(_LOSS.format("forward"),), transition=estimated_transition),
        arms.Arm("forward_counted", "weak", bindings=(_LOSS.format("forward"),), transition=counted_transition),
        arms.Arm("backward_counted", "weak", bindings=(_LOSS.format("backward"),), transition=counted_transition),
        _data_parameters("class"),
        _data_parameters("instance"),
        arms.Arm("cleannet_soft", "cleannet_soft"),
        arms.Arm("cleannet_hard", "cleannet_hard"),
        arms.Arm("confident_learning", "confident_learning"),
        # Not of the paper's table.
        arms.Arm("spl_ib", "spl_ib"),
        arms.Arm("mopro", "mopro"),
        _of("partial", "partial_label"),
        _of("cell_posterior", "soft_label"),
        _of("crowdlab", "soft_label"),
    )
}


@dataclasses.dataclass(frozen=True)
class Variant:
    """Departures from the gin file, the same for all rows.

    Attributes:
      pretrain_times: how much longer pre-training is.
      target: list that takes the place of the clean training set, see `target_sizes`; "" for that.
      target_times: how much longer teacher and fine-tuning are: as many steps with smaller or larger clean sets.
      validation: list of the validation images, of which the target has none; None where it has them all.
    """

    pretrain_times: float = 1
    target: str = ""
    target_times: float = 1
    validation: str | None = "validation.csv"


VARIANTS = {
    "": Variant(),
    "long": Variant(pretrain_times=4),
    "clean250": Variant(target="target_250.csv", target_times=4),
    "clean2000": Variant(target="target_2000.csv", target_times=0.5, validation=None),
    "swapped": Variant(target="validation.csv", validation="target_train.csv"),
}


@dataclasses.dataclass(frozen=True)
class Arm:
    """One run to the test set: a row, the seed of everything in it, and a variant of `VARIANTS`."""

    row: str
    seed: int
    variant: str = ""


def all_arms(num_seeds: int, variant: str = "") -> list[Arm]:
    """Seed by seed, so that whatever is finished can be compared."""
    return [Arm(row, seed, variant) for seed, row in itertools.product(range(num_seeds), ROWS)]
