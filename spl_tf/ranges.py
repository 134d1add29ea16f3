"""Ranges of numbers as part of a type, `dropout: Share`: a gin binding outside is refused before anything is built."""

import dataclasses
import math
from typing import Annotated


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`.

    Attributes:
      low, high: the ends, in the range themselves unless the next two say otherwise.
      above: `low` itself is outside.
      below: `high` itself is outside.
    """

    low: float
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, number: float) -> bool:
        after_low = number > self.low if self.above else number >= self.low
        before_high = number < self.high if self.below else number <= self.high
        return after_low and before_high

    def __str__(self) -> str:
        start = f"above {self.low:g}" if self.above else f"from {self.low:g}"
        end = "" if math.isinf(self.high) else f" to {'below ' if self.below else ''}{self.high:g}"
        return f"{start}{end}"


Share = Annotated[float, Range(0, 1, below=True)]
Positive = Annotated[float, Range(0, above=True)]
NonNegative = Annotated[float, Range(0)]
Part = Annotated[float, Range(0, 1)]
