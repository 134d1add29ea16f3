"""The arms of the study on ucf6: what is compared with what, over which seeds."""

import dataclasses
import itertools

MAIN = "main"
STRATEGIES = ("none", "weak", "teacher", "agreement", "spl", "spl_m", "spl_d", "spl_b")
SEEDS = (0, 1, 2, 3, 4)
FEWER_SEEDS = (0, 1, 2)


@dataclasses.dataclass(frozen=True)
class Arm:
    """One run to the test set.

    Attributes:
      study: the question it belongs to.
      strategy: of `spl_tf.cleaning.labellers`, or "none".
      seed: of the teacher, pre-training and fine-tuning.
      round: 1 with the teacher's predictions, 2 with those of its own student of the main study.
      min_confidence: teacher confidence below which a clip is not used.
      teacher_share: part of the clean target set that the teacher is trained on.
      query_right: share of right weak labels, made from the truth; None for the queries as they are.
      variant: of `variants.VARIANTS`; "" for the recipe as it is.
    """

    study: str
    strategy: str
    seed: int
    round: int = 1
    min_confidence: float = 0.0
    teacher_share: float = 1.0
    query_right: float | None = None
    variant: str = ""


# What the paper says beyond its main comparison: question -> variants and the strategies they are tried on.
PAPER = {
    "noise": (("data_parameters_class", "data_parameters_instance", "forward_estimated", "forward_counted"), ("weak",)),
    "anchor": (("anchor",), ("weak", "spl", "spl_b")),
    "projection": (("no_projection",), ("weak", "spl_b")),
    "labels": (("labels9", "labels18", "labels24"), ("spl_m", "spl_d")),
    "clips": (("clips25", "clips50", "videos50"), ("weak", "spl_m", "spl_d", "spl_b")),
    "frames": (("inflated",), ("none", "weak", "spl_b")),
}


def all_arms() -> list[Arm]:
    """Every arm, the main study first and seed by seed, so that whatever is finished can be compared."""
    return [
        *(Arm(MAIN, strategy, seed) for seed, strategy in itertools.product(SEEDS, STRATEGIES)),
        *(
            Arm("confidence", name, seed, min_confidence=0.5)
            for seed, name in itertools.product(SEEDS, ("spl", "spl_b"))
        ),
        *(Arm("rounds", name, seed, round=2) for seed, name in itertools.product(SEEDS, ("spl", "spl_b"))),
        *(Arm("query", "weak", seed, query_right=1.0) for seed in FEWER_SEEDS),
        *(
            Arm("query", name, seed, query_right=share)
            for seed, share, name in itertools.product(
                FEWER_SEEDS, (0.2, 0.4, 0.6), ("weak", "agreement", "spl", "spl_b")
            )
        ),
        *(
            Arm("teacher", name, seed, teacher_share=share)
            for seed, share, name in itertools.product(
                FEWER_SEEDS, (0.25, 0.5), ("teacher", "agreement", "spl", "spl_b")
            )
        ),
        *(
            Arm(study, name, seed, variant=variant)
            for study, (variants, names) in PAPER.items()
            for seed, variant, name in itertools.product(FEWER_SEEDS, variants, names)
        ),
    ]
