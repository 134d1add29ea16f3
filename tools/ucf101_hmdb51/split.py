"""An official split of either data set."""

import dataclasses
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclasses.dataclass(frozen=True)
class Split(Generic[V]):
    """Videos of training and test, each in the order of the list."""

    train: tuple[V, ...]
    test: tuple[V, ...]
