"""Every ordering of top-1 that the SPL paper claims, and what the study says to it."""

import dataclasses

from spl_tf.report.intervals import Difference
from tools.study.arms import FEWER_SEEDS, PAPER
from tools.study.collected import Collected, Outcomes


@dataclasses.dataclass(frozen=True)
class Claim:
    """One arm above another; an arm is a strategy, or a strategy and a variant of `PAPER`.

    Attributes:
      source: where the paper says so.
      higher: the better arm.
      lower: the worse one.
      points: by how many points of top-1 in the paper; "" where the text has no number.
    """

    source: str
    higher: tuple[str, str]
    lower: tuple[str, str]
    points: str = ""


def _claims(source: str, higher: str, variant: str, *others: tuple[str, str]) -> list[Claim]:
    """The same arm above others, with the same variant."""
    return [Claim(source, (higher, variant), (lower, variant), points) for lower, points in others]


CLAIMS = (
    *(
        Claim("table 1", (name, ""), ("none", ""), points)
        for name, points in (("weak", "2.2"), ("teacher", "1.3"), ("agreement", "2.3"), ("spl_b", "3.7"))
    ),
    *(
        Claim("table 1", ("weak", variant), ("none", ""), "2.6")
        for variant in ("data_parameters_class", "data_parameters_instance")
    ),
    *_claims("table 1", "weak", "", ("teacher", "0.9")),
    *_claims("table 1", "spl_b", "", ("weak", "1.5"), ("teacher", "2.4"), ("agreement", "1.4")),
    *(
        Claim("table 1", ("spl_b", ""), ("weak", variant), "1.1")
        for variant in ("data_parameters_class", "data_parameters_instance")
    ),
    *_claims("table 2", "spl_m", "", ("weak", "0.6")),
    *_claims("table 2", "spl_d", "", ("weak", "0.7")),
    *_claims("table 2", "spl_b", "", ("spl_m", "0.4"), ("spl_d", "0.3")),
    *(
        Claim("table 2, more videos", (name, "clips50"), (name, "videos50"), points)
        for name, points in (("weak", "0.1"), ("spl_m", "0.3"), ("spl_d", "0.3"), ("spl_b", "0.4"))
    ),
    *_claims("table 2, more videos", "spl_b", "clips50", ("weak", "1.3"), ("spl_m", "0.5"), ("spl_d", "0.4")),
    *(
        Claim("figure 4, more classes", (name, more), (name, fewer))
        for name in ("spl_m", "spl_d")
        for more, fewer in (("", "labels9"), ("labels18", ""), ("labels24", "labels18"), ("labels24", "labels9"))
    ),
    *(Claim("figure 4", ("spl_b", ""), (name, "labels24")) for name in ("spl_m", "spl_d")),
    *(
        Claim("figure 5, more clips", (name, more), (name, fewer))
        for name in ("weak", "spl_m", "spl_d", "spl_b")
        for more, fewer in (("", "clips50"), ("", "clips25"))
    ),
    *_claims("table 5", "spl", "", ("none", "3.1"), ("weak", "1.5"), ("agreement", "1.4"), ("teacher", "1.6")),
    *(
        Claim("table 6 (images)", higher, lower, points)
        for variant in ("forward_estimated", "forward_counted")
        for higher, lower, points in (
            (("weak", variant), ("weak", ""), "0.95"),
            (("spl", ""), ("weak", variant), "0.12"),
        )
    ),
    Claim("appendix A, anchor loss", ("spl_b", "anchor"), ("spl_b", ""), "0.3"),
    *(Claim("appendix A, projection head", (name, ""), (name, "no_projection")) for name in ("weak", "spl_b")),
    *_claims("table 1, from inflated weights", "weak", "inflated", ("none", "2.2")),
    *_claims("table 1, from inflated weights", "spl_b", "inflated", ("none", "3.7"), ("weak", "1.5")),
)


def verdict(difference: Difference | None) -> str:
    """Of a claim that a difference is above zero."""
    if difference is None:
        return "-"
    if not difference.is_distinguishable:
        return "not distinguishable"
    return "holds" if difference.points > 0 else "does not hold"


def outcomes(results: Collected, arm: tuple[str, str]) -> Outcomes:
    """Of an arm of a claim."""
    name, variant = arm
    if not variant:
        return results.main(name)
    study = next(study for study, (variants, _) in PAPER.items() if variant in variants)
    return results.arm(study, name, variant=variant).only(FEWER_SEEDS)
