"""Does a query say anything about its class? (paper appendix D)

Class names such as "Holding something" find videos that have nothing to do with the class. Their
weak labels are pure noise. Such a query shows itself: the teacher sees the class in its clips no
more often than in the clips of all other queries.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class QueryAgreement:
    """One query against chance.

    Attributes:
      name: the class queried for.
      clips: clips the query found.
      agreement: share of them that the teacher predicts as the class; nan without clips.
      chance: that share over the clips of all other queries; nan without such clips.
      p_value: probability of at least this agreement if the query said nothing.
      flagged: whether that probability is too high to tell the query from one that says nothing.
    """

    name: str
    clips: int
    agreement: float
    chance: float
    p_value: float
    flagged: bool

    def as_json(self) -> dict[str, Any]:
        """The attributes by name; None for nan, which JSON cannot hold."""
        values = dataclasses.asdict(self)
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()
        }


def query_agreement(
    confusion: np.ndarray, classes: Sequence[str], *, significance: float = 0.05
) -> list[QueryAgreement]:
    """Compares, for every query, the teacher's agreement with chance.

    The test is Fisher's exact one, one-sided: the clips of the query against the clips of all
    other queries, predicted as the class or not. It holds for a handful of clips as for millions.
    Clips of one video resemble each other, so the p-values are on the optimistic side: a query
    that is flagged says nothing that could be seen, one just below the line is still worth a look.

    Args:
      confusion: int [N, N], rows weak labels, columns teacher predictions.
      classes: the N class names.
      significance: queries with a larger p-value are flagged.

    Returns:
      One row per query, in class order.
    """
    total = int(confusion.sum())
    rows = []
    for index, name in enumerate(classes):
        agreeing = int(confusion[index, index])
        clips = int(confusion[index].sum())
        predicted = int(confusion[:, index].sum())
        p_value = _upper_tail(agreeing, clips, predicted, total)
        rows.append(
            QueryAgreement(
                name=name,
                clips=clips,
                agreement=agreeing / clips if clips else math.nan,
                chance=(predicted - agreeing) / (total - clips) if total > clips else math.nan,
                p_value=p_value,
                flagged=p_value > significance,
            )
        )
    return rows


def _upper_tail(agreeing: int, clips: int, predicted: int, total: int) -> float:
    """P(X >= agreeing): X of `clips` clips, drawn from `total` without replacement, are among the `predicted`.

    The hypergeometric law, within 2e-6 of `scipy.stats.hypergeom.sf` up to 100 million clips and as fast.
    Importing that doubles the time in which labelling starts, and scipy is 140 MB.
    """
    if not clips:
        return 1.0
    # Terms further than 40 deviations from the mean are nothing beside the rest: what is summed stays short.
    mean = clips * predicted / total
    reach = int(40 * math.sqrt(mean * (1 - predicted / total))) + 50
    first = max(agreeing, int(mean) - reach)
    last = min(clips, predicted, max(first, int(mean)) + reach)
    # log P(X = first), then the ratio of each probability to the one before it.
    log_first = (
        _log_choose(predicted, first) + _log_choose(total - predicted, clips - first) - _log_choose(total, clips)
    )
    k = np.arange(first, last, dtype=np.float64)
    log_ratios = np.log((predicted - k) / (k + 1)) + np.log((clips - k) / (total - predicted - clips + k + 1))
    return min(1.0, float(np.exp(log_first + np.append(0.0, np.cumsum(log_ratios))).sum()))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
