"""Everything that gives web clips their labels, under one name each: tables over the teacher's predictions, cleaning.

Light: TensorFlow is imported by what needs it, when it is needed.
"""

import dataclasses
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import gin
import numpy as np

from spl_tf import configuration
from spl_tf.cleaning.methods import METHODS
from spl_tf.inference.stage_folder import network_digest
from spl_tf.labels import pair_labeller
from spl_tf.labels.labellers import PAIR_LABELLERS, labeller
from spl_tf.labels.pair_labeller import PairLabeller
from spl_tf.labels.predictions import index_digest
from spl_tf.labels.statistics import STATISTICS, TEACHER_RATES
from spl_tf.labels.targets import SINGLE
from spl_tf.labels.teacher_confusion import even_confusion

# Labels are for the pre-training: what gin says in its scope holds.
_STAGE = "pretrain"
# Configurables that cleaning depends on.
_OF_CLEANING = ("cleannet.", "hard_weights.", "clip_features.")

for _entry in PAIR_LABELLERS.values():
    if _entry.parameters:
        gin.external_configurable(_entry.function, module=_entry.function.__module__)


@dataclasses.dataclass(frozen=True)
class LabelSource:
    """What labels can be made from.

    Attributes:
      shards: folder of the web set.
      predictions: folder of a teacher's predictions of it.
      teacher: folder of that teacher, whose features cleaning needs.
      clean: folder of the clean shards.
      digests: of the shards, by the names "web" and "clean"; equal digests are equal clips.
      min_confidence: teacher confidence below which a clip is not used, where labels ask the teacher.
      num_labels: number of classes, where a labeller can choose it; None leaves it to the labeller.
      held_out: folder of predictions of the clean clips by teachers that did not learn from them, for labellers that
        need it.
    """

    shards: pathlib.Path
    predictions: pathlib.Path
    teacher: pathlib.Path
    clean: pathlib.Path
    digests: Mapping[str, str]
    min_confidence: float = 0.0
    num_labels: int | None = None
    held_out: pathlib.Path | None = None


class Labeller(Protocol):
    """A way to label a web set.

    Attributes:
      name: in `recipe.strategies`, on command lines, in tables.
      uses_teacher: whether a better teacher makes other labels.
      needs_held_out: whether it asks how the teacher errs on clean clips that it did not learn from.
      options: those of "num_labels" and "min_confidence" that its labels depend on.
    """

    @property
    def name(self) -> str: ...

    @property
    def uses_teacher(self) -> bool: ...

    @property
    def needs_held_out(self) -> bool: ...

    @property
    def options(self) -> Collection[str]: ...

    def identity(self, source: LabelSource, seed: int) -> dict[str, str]:
        """What its labels depend on, as flat text: equal identities give equal labels."""

    def check(self, classes: Sequence[str]) -> str:
        """The form of its targets. UserError for options that don't do for these classes, before hours of work."""

    def write(self, source: LabelSource, folder: pathlib.Path, seed: int) -> dict[str, Any]:
        """Writes the folder of labels and returns the content of its `summary.json`."""


@dataclasses.dataclass(frozen=True)
class _FromPairs:
    """Labels by weak label and teacher's prediction; options are bindings, e.g. `spl_m.num_labels = 400`."""

    entry: PairLabeller

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def uses_teacher(self) -> bool:
        return self.entry.uses_teacher

    @property
    def needs_held_out(self) -> bool:
        return self.entry.needs_held_out

    @property
    def options(self) -> Collection[str]:
        given = {"num_labels": "num_labels" in self.entry.parameters, "min_confidence": self.uses_teacher}
        return [name for name, is_used in given.items() if is_used]

    def identity(self, source: LabelSource, seed: int) -> dict[str, str]:
        options = {name: each.default for name, each in self.entry.parameters.items()} | self._options(source)
        identity = {"num_labels": "None"} | {name: str(value) for name, value in options.items()}
        if self.needs_held_out and source.held_out is not None:
            identity["held out"] = index_digest(source.held_out)
        return identity | {
            "strategy": self.name,
            "min_confidence": str(self._min_confidence(source)),
            "predictions": index_digest(source.predictions),
        }

    def check(self, classes: Sequence[str]) -> str:
        counts = np.ones((len(classes), len(classes)), np.int64)
        num_classes = len(classes)
        statistics = {
            name: STATISTICS[name](num_classes).result(counts) for name in self.entry.statistics if name in STATISTICS
        }
        statistics[TEACHER_RATES] = even_confusion(0.5, num_classes, "").rates
        return labeller(self.name, **self._options(None)).fit(counts, classes, statistics).form

    def write(self, source: LabelSource, folder: pathlib.Path, seed: int) -> dict[str, Any]:
        from spl_tf.labels.assign import assign_labels

        min_confidence = self._min_confidence(source)
        options = self._options(source)
        if self.needs_held_out:
            options["held_out"] = source.held_out
        return assign_labels(source.predictions, self.name, folder, min_confidence=min_confidence, **options)

    def _min_confidence(self, source: LabelSource) -> float:
        return source.min_confidence if self.uses_teacher else 0.0

    def _options(self, source: LabelSource | None) -> dict[str, Any]:
        with gin.config_scope(_STAGE):
            options = dict(gin.get_bindings(self.name)) if self.entry.parameters else {}
        if source is not None and source.num_labels is not None and "num_labels" in self.entry.parameters:
            options["num_labels"] = source.num_labels
        return options


@dataclasses.dataclass(frozen=True)
class _ByCleaning:
    """Weak labels weighted or left out by a method of `clean_labels`; all methods share the teacher's features."""

    name: str
    uses_teacher = True
    needs_held_out = False
    options = ()

    def identity(self, source: LabelSource, seed: int) -> dict[str, str]:
        bindings = configuration.stage_bindings(_STAGE)
        identity = {name: value for name, value in bindings.items() if name.startswith(_OF_CLEANING)}
        return identity | {
            "method": self.name,
            "seed": str(seed),
            "model": network_digest(source.teacher),
            **source.digests,
        }

    def check(self, classes: Sequence[str]) -> str:
        from spl_tf.cleaning.clean_labels import require_method_options

        with gin.config_scope(_STAGE):
            require_method_options(self.name)
        return SINGLE

    def write(self, source: LabelSource, folder: pathlib.Path, seed: int) -> dict[str, Any]:
        from spl_tf.cleaning.clean_labels import clean_labels

        features = source.predictions.with_name("features")
        with gin.config_scope(_STAGE):
            return clean_labels(source.teacher, source.shards, source.clean, self.name, folder, seed, features)


_ALL: list[Labeller] = [*map(_FromPairs, PAIR_LABELLERS.values()), *map(_ByCleaning, METHODS)]
LABELLERS = {each.name: each for each in _ALL}


def find_labeller(name: str) -> Labeller:
    """Raises UserError, with the nearest name, when there is none of that name."""
    return pair_labeller.find(name, LABELLERS)
