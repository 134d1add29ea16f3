"""Means over seeds and test images, and intervals for them that one or two seeds of a row suffice for.

What a seed and an image give, a gain or whether the image was right, has three sources of variance: the seed, the image
and their interaction. The last two are estimated for each mean by itself from thousands of images (analysis of
variance; one seed can't part them and need not). Two or three seeds tell little of the spread of seeds, so it is one
number for all means of a table: a row that spreads much more than the others has too narrow an interval, and widens
theirs. Intervals are Student's, with as many degrees of freedom as that number has (Satterthwaite 1946).
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy import stats

from tools.study import power

_LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Mean:
    """In points.

    Attributes:
      points: the mean.
      error: its standard error, over the images alone where no mean of the table has two seeds.
      freedom: degrees of freedom of the error; infinite over the images alone.
    """

    points: float
    error: float
    freedom: float

    @property
    def probability(self) -> float:
        """Of a mean as far from zero, on either side, where there is nothing."""
        return float(2 * stats.t.sf(abs(self.points) / self.error, self.freedom)) if self.error else 1.0

    def interval(self) -> tuple[float, float]:
        """Holds the true mean with 95 %."""
        return self._around(1.0)

    def of_another_set(self) -> tuple[float, float]:
        """Holds the mean of as many other seeds on as many other images with 95 %: both have their error."""
        return self._around(np.sqrt(2))

    def _around(self, times: float) -> tuple[float, float]:
        half = times * self.error * float(stats.t.isf((1 - _LEVEL) / 2, self.freedom))
        return self.points - half, self.points + half


@dataclasses.dataclass(frozen=True)
class SeedSpread:
    """The variance that seeds add to a mean over infinitely many images.

    Attributes:
      variance: of one seed.
      observed: of the means of single seeds over the images that there are, which it was estimated from.
      freedom: degrees of freedom of the latter.
    """

    variance: float
    observed: float
    freedom: float


def seed_spread(tables: Mapping[str, np.ndarray]) -> SeedSpread | None:
    """One for all tables [S, V], None where none of them has two seeds.

    Differences from the same runs are correlated by half, and their variances by a quarter: so many tables have fewer
    degrees of freedom than as many independent ones.
    """
    several = [table for table in tables.values() if len(table) > 1]
    if not several:
        return None
    observed = np.mean([table.mean(axis=1).var(ddof=1) for table in several])
    variance = max(0.0, float(np.mean([components(table).seed for table in several])))
    freedom = sum(len(table) - 1 for table in several) / (1 + (len(several) - 1) / 4)
    return SeedSpread(variance, float(observed), freedom)


def components(table: np.ndarray) -> power.Components:
    """Without bias, by the analysis of variance of a table [S, V]; one seed's image and rest are the rest."""
    num_seeds, num_images = table.shape
    if num_seeds == 1:
        return power.Components(0.0, 0.0, 0.0, 0.0, float(table.var(ddof=1)))
    of_seeds, of_images = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    rest = ((table - of_seeds - of_images + table.mean()) ** 2).sum() / ((num_seeds - 1) * (num_images - 1))
    seed = of_seeds.var(ddof=1) - rest / num_images
    image = of_images.var(ddof=1) - rest / num_seeds
    return power.Components(float(seed), 0.0, float(image), 0.0, float(rest))


def means(tables: Mapping[str, np.ndarray]) -> dict[str, Mean]:
    """Of tables [S, V], which share one spread of seeds."""
    spread = seed_spread(tables)
    return {name: _mean(table, spread) for name, table in tables.items()}


def holm(found: Mapping[str, Mean], level: float = 1 - _LEVEL) -> set[str]:
    """Those told from zero among so many: with probability `level` one of them is by chance (Holm 1979)."""
    told = set()
    ordered = sorted(found, key=lambda name: found[name].probability)
    for place, name in enumerate(ordered):
        if found[name].probability * (len(ordered) - place) > level:
            break
        told.add(name)
    return told


def _mean(table: np.ndarray, spread: SeedSpread | None) -> Mean:
    num_seeds, num_images = table.shape
    own = components(table)
    variances = dataclasses.replace(own, seed=spread.variance if spread else 0.0, video=max(0.0, own.video))
    error = power.standard_error(variances, power.Design("", num_seeds, num_seeds, np.ones(num_images)))
    freedom = np.inf
    if spread and spread.observed:
        freedom = spread.freedom * (error**2 / (spread.observed / num_seeds)) ** 2
    return Mean(100 * float(table.mean()), 100 * error, float(freedom))
