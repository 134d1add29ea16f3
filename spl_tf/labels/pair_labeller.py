"""A labeller by its name and its own options, which its function's signature tells."""

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from spl_tf.errors import UserError
from spl_tf.labels.label_map import FittedLabeller
from spl_tf.labels.statistics import STATISTICS, TEACHER_RATES

_PLAIN = {int: "a whole number", float: "a number", type(None): "None"}


@dataclasses.dataclass(frozen=True)
class PairLabeller:
    """A way to label clips by their weak label and what the teacher predicts.

    Attributes:
      function: `(confusion, classes, *, option=default, ...) -> FittedLabeller`, named as the labeller. A positional
        parameter after these two is what it is fitted on beside the counts: a statistic of the predictions, a key of
        `statistics.STATISTICS`, or the teacher's confusion on clean clips, `statistics.TEACHER_RATES`.
      uses_teacher: whether labels depend on the prediction, and so on the teacher and its confidence.
      by_scores: whether it judges clips of one cell by the teacher's scores: what it fits has `columns`.
      options: keyword arguments of `function`; the others keep their defaults.
    """

    function: Callable[..., FittedLabeller]
    uses_teacher: bool = True
    by_scores: bool = False
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The options there are, with default and type."""
        parameters = inspect.signature(self.function).parameters
        return {name: each for name, each in parameters.items() if each.kind is each.KEYWORD_ONLY}

    @property
    def statistics(self) -> tuple[str, ...]:
        """What it is fitted on beside the counts."""
        parameters = inspect.signature(self.function).parameters
        return tuple(name for name in parameters if name not in self.parameters)[2:]

    @property
    def asks_scores(self) -> bool:
        """Whether it goes by the teacher's best scores, in fitting or clip by clip."""
        return self.by_scores or any(name in STATISTICS for name in self.statistics)

    @property
    def needs_held_out(self) -> bool:
        """Whether it asks for the teacher's confusion, which held-out predictions tell."""
        return TEACHER_RATES in self.statistics

    def fit(
        self, confusion: np.ndarray, classes: Sequence[str], statistics: Mapping[str, np.ndarray] | None = None
    ) -> FittedLabeller:
        """The labeller for a web set.

        Args:
          confusion: int [N, N], the clips it may use, rows weak labels, columns teacher predictions.
          classes: the N class names.
          statistics: those it asks for, by name.

        Raises:
          UserError: an option does not fit the number of classes.
        """
        statistics = {} if statistics is None else statistics
        given = {name: statistics[name] for name in self.statistics}
        return self.function(confusion, classes, **given, **self.options)

    def checked(self) -> "PairLabeller":
        """Itself; raises UserError when an option is of the wrong type."""
        for name, value in self.options.items():
            wanted = self.parameters[name].annotation
            accepted = wanted | int if isinstance(1.0, wanted) else wanted
            if isinstance(value, bool) or not isinstance(value, accepted):
                kinds = " or ".join(_PLAIN[kind] for kind in getattr(wanted, "__args__", (wanted,)))
                raise UserError(f"{self.name}: {name} is {value!r}: give {kinds}")
        return self


def find(name: str, known: Mapping[str, Any], kind: str = "strategy", kinds: str = "strategies") -> Any:
    """What has a name; raises UserError with the nearest one when nothing has it."""
    if name not in known:
        raise UserError(f"there is no {kind} {name!r}: {_nearest(name, known)}The {kinds} are {', '.join(known)}")
    return known[name]


def with_options(labeller: PairLabeller, options: Mapping[str, Any], known: Iterable[PairLabeller]) -> PairLabeller:
    """The labeller with options of its own.

    Args:
      labeller: that has none yet.
      options: by name.
      known: all labellers, for the message.

    Raises:
      UserError: it has no such option, or one is of the wrong type.
    """
    for name in options:
        if name not in labeller.parameters:
            owners = [other.name for other in known if name in other.parameters]
            if owners:
                *others, last = owners
                hint = f"{', '.join(others)} and {last} have" if others else f"{last} has"
            else:
                hint = f"{_nearest(name, labeller.parameters)}it has {', '.join(labeller.parameters) or 'none'}"
            raise UserError(f"{labeller.name} has no option {name}; {hint}")
    return dataclasses.replace(labeller, options=dict(options)).checked()


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower().replace("-", "_"), list(known), n=1)
    return f"did you mean {near[0]}? " if near else ""
