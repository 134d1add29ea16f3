"""The rows of NoisyActions2M's tables 3, 4, 6 and 7 on ucf6: what is compared with what, over which seeds."""

import dataclasses
import itertools

from spl_tf.experiment import arms

SEEDS = (0, 1, 2)
NONE = "none"
# Fine-tuned on the clean target set and tested on the test set.
CLEAN = "clean"
# Two of the target set's four groups of recordings, and the others to choose a pre-training on.
CHOICE = "choice"
# The target set spoiled: labels of table 6, bytes of table 7.
SPOILED = ("noise40", "noise80", "random", "contiguous")


@dataclasses.dataclass(frozen=True)
class Key:
    """One run to a test.

    Attributes:
      pretraining: of PRETRAININGS.
      seed: of pre-training and fine-tuning, and of what spoils the target set.
      target: CLEAN or of SPOILED.
    """

    pretraining: str
    seed: int
    target: str = CLEAN


def _one_of_several(name: str, *bindings: str) -> arms.Arm:
    return arms.Arm(name, "own", bindings=("pretrain/train_stage.objective = @one_of_several", *bindings))


def _multi_label(name: str, loss: str, self_supervised: str = "") -> arms.Arm:
    bindings = "pretrain/train_stage.objective = @multi_label", f"pretrain/multi_label.loss = @{loss}"
    return arms.Arm(name, "own", bindings=bindings, self_supervised=self_supervised)


# Rows of a results file know a pre-training by its name: one with other settings needs another name.
PRETRAININGS = {
    arm.name: arm
    for arm in (
        arms.Arm(NONE, "none"),
        _one_of_several("cce"),
        _one_of_several(
            "cce_mask",
            "pretrain/one_of_several.assignment = 'balanced'",
            "pretrain/one_of_several.mask_others = True",
        ),
        _multi_label("bce", "sigmoid_cross_entropy"),
        _multi_label("focal", "focal"),
        _multi_label("balanced_focal", "distribution_balanced"),
        # What the paper's code did under that name.
        _multi_label("balanced_focal_na2m", "distribution_balanced_na2m"),
        arms.Arm("ssl", "none", self_supervised="web"),
        _multi_label("ssl_balanced_focal", "distribution_balanced", self_supervised="web"),
        # As many steps on the 120 target videos as on the 1,029 web clips.
        arms.Arm("ssl_target", "none", self_supervised="target", bindings=("selfsup/train_stage.epochs = 17.2",)),
        # Beyond the paper.
        arms.Arm("cvrl", "none", self_supervised="web", bindings=("selfsup/train_stage.objective = @cvrl",)),
        _multi_label("asymmetric", "asymmetric"),
        _multi_label("splc", "splc"),
        _multi_label("large_loss_rejection", "large_loss_rejection"),
    )
}
TABLE_3 = ("none", "cce", "cce_mask", "bce", "focal", "balanced_focal", "balanced_focal_na2m")
TABLE_4 = ("none", "ssl_target", "ssl", "ssl_balanced_focal")
BEYOND = ("none", "cvrl", "asymmetric", "splc", "large_loss_rejection")


def choosable() -> list[str]:
    """What the pre-training of tables 6 and 7 is chosen from: that of tables 3 and 4."""
    return [name for name in PRETRAININGS if name in (*TABLE_3, *TABLE_4)]


def table_keys() -> list[Key]:
    """Tables 3 and 4, seed by seed, so that whatever is finished can be compared."""
    return [Key(name, seed) for seed, name in itertools.product(SEEDS, choosable())]


def choice_keys() -> list[Key]:
    """What the pre-training of tables 6 and 7 is chosen from."""
    return [key for key in table_keys() if key.pretraining != NONE]


def beyond_keys() -> list[Key]:
    """What is beyond the paper."""
    names = [name for name in PRETRAININGS if name not in choosable()]
    return [Key(name, seed) for seed, name in itertools.product(SEEDS, names)]


def spoiled_keys(name: str) -> list[Key]:
    """Tables 6 and 7 from one pre-training."""
    return [Key(name, seed, target) for seed, target in itertools.product(SEEDS, SPOILED)]
