"""Arms: what an experiment compares, each a row of its table."""

import dataclasses
import inspect
import pathlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import gin

from spl_tf import files
from spl_tf.bindings.reading import nearest
from spl_tf.cleaning.labellers import LABELLERS
from spl_tf.errors import UserError
from spl_tf.experiment.table import folder_name
from spl_tf.experiment.tasks import LABELS, NO_PRETRAINING, OWN, asks_teacher, needs_held_out

STRATEGIES = ("none", "weak", "spl", "spl_b")

_NAME = r"[A-Za-z0-9][\w.+-]*"
# Folders of a seed and of an experiment, beside which arms and what they share have theirs.
_TAKEN_BY_STEPS = ("predictions", "held_out", "relabelled", "features", "teacher_test")
_TAKEN_BY_EXPERIMENT = r"shards|videos|seed\d+"


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way from the web set to the test, run with every seed.

    The functions are for experiments written in Python, and have a `repr` that tells one from another.

    Attributes:
      name: of its folder and its row.
      labels: how web clips get their labels: of `spl_tf.cleaning.labellers`; "own" for those of the web set's
        records, "none" for no pre-training.
      num_labels: classes of SPL-M, SPL-D and spl_ib; None for twice the number of classes.
      min_confidence: teacher confidence below which a clip is not used.
      bindings: gin's, over those of file and command line, for all its stages.
      round: 1 with the teacher's predictions, 2 with those of its own student of round 1, ...
      transition: makes the matrix that the loss of the pre-training asks for, see `noise_matrices`; None for no matrix.
      init_weights: backbone that pre-training, or without it fine-tuning, begins with; None for random weights. A
        function (runner, arm, seed) makes the file.
      self_supervised: "web" or "target", whose clips the stage "selfsup" learns from, without labels: its backbone
        takes the place of `init_weights`, which it begins with itself. "" for no such stage.
      web_clips_per_class: quota of web clips of a class; None for all.
      shares: name of the folder for what it shares with other arms of that name, and with no others: videos, shards,
        teacher, predictions. A step that is done alike for an arm before lies in that one's folder.
      teacher_shards: (runner, arm, seed, folder) -> shards for the teacher; None for the target set.
      relabelled: (runner, arm, seed, predictions, folder) -> other side-cars of weak labels and predictions; None for
        these.
    """

    name: str
    labels: str
    num_labels: int | None = None
    min_confidence: float = 0.0
    bindings: tuple[str, ...] = ()
    round: int = 1
    transition: Callable[..., pathlib.Path] | None = None
    init_weights: files.Path | Callable[..., pathlib.Path] | None = None
    self_supervised: str = ""
    web_clips_per_class: int | None = None
    shares: str = ""
    teacher_shards: Callable[..., pathlib.Path] | None = None
    relabelled: Callable[..., pathlib.Path] | None = None

    @property
    def pretrains(self) -> bool:
        return self.labels != NO_PRETRAINING

    @property
    def needs_web(self) -> bool:
        """Whether any of its stages learns from the web set."""
        return self.pretrains or self.self_supervised == "web"

    @property
    def asks_predictions(self) -> bool:
        """Whether its labels are made from weak labels and a teacher's predictions."""
        return self.labels not in (NO_PRETRAINING, OWN)

    def with_earlier_rounds(self) -> list["Arm"]:
        """Those it builds on, and itself."""
        return [dataclasses.replace(self, round=number) for number in range(1, self.round + 1)]

    @property
    def folder_name(self) -> str:
        """Below the seed's folder."""
        return folder_name(self.name, self.round)


# What `recipe.arms` may say of an arm, and what is expected there.
_OPTIONS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "labels": (lambda value: isinstance(value, str), "a name"),
    "num_labels": (lambda value: value is None or type(value) is int, "a whole number"),
    "min_confidence": (lambda value: type(value) in (int, float), "a number"),
    "bindings": (lambda value: isinstance(value, Mapping), "{'pretrain/train_stage.epochs': 9} or the like"),
    "transition": (lambda value: value is None or callable(value), "@estimated_transition or @counted_transition"),
    "init_weights": (lambda value: value is None or isinstance(value, str), "a path in quotes"),
    "self_supervised": (lambda value: value in ("", "web", "target"), "'web' or 'target'"),
    "web_clips_per_class": (lambda value: value is None or type(value) is int, "a whole number"),
    "shares": (lambda value: isinstance(value, str), "a name"),
}

# What an arm may say of its labels, unless these have no use for it, and of its web set; with what says nothing.
_OF_LABELS = {"num_labels": None, "min_confidence": 0.0}
_OF_PRETRAINING = ("transition", "web_clips_per_class")


def make_arms(
    strategies: Sequence[str] | None = None,
    arms: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    rounds: int = 1,
    num_labels: int | None = None,
    min_confidence: float = 0.0,
    transition: Callable[..., pathlib.Path] | None = None,
    init_weights: files.Path | None = None,
    web_clips_per_class: int | None = None,
) -> list[Arm]:
    """The arms of a recipe, in the order they are run: a later round after the one before.

    Args:
      strategies: labels, each the name of its arm.
      arms: name -> what is its own; what it does not say is as the other arguments say.
      rounds: of every arm whose labels ask the teacher.
      num_labels, min_confidence, transition, init_weights, web_clips_per_class: as of `Arm`.

    Raises:
      UserError: both lists are given, a name is no name or repeated, an option is unknown, of the wrong kind or without
        effect, or the number of rounds is.
    """
    if isinstance(strategies, str):
        raise UserError(f"recipe.strategies = {strategies!r}: give a list, e.g. [{strategies!r}]")
    if strategies is not None and arms is not None:
        raise UserError("recipe.strategies is one list of arms and recipe.arms another: give one, or choose by --arms")
    if type(rounds) is not int or rounds < 1:
        raise UserError(f"recipe.rounds = {rounds!r}: give 1, or more for students that teach in their turn")
    if arms is None:
        strategies = STRATEGIES if strategies is None else strategies
        if len(set(strategies)) < len(strategies):
            raise UserError(f"recipe.strategies = {list(strategies)}: one of them is listed twice")
        arms = {name: {"labels": name} for name in strategies}
    if not arms:
        raise UserError("there is no arm: give recipe.arms, or recipe.strategies such as ['none', 'weak', 'spl_b']")
    common: dict[str, Any] = {"num_labels": num_labels, "min_confidence": min_confidence, "transition": transition}
    common |= {"init_weights": init_weights, "web_clips_per_class": web_clips_per_class}
    made = []
    for name, options in arms.items():
        first = Arm(name, **common | _checked(name, options))
        last = rounds if asks_teacher(first.labels) else 1
        if last > 1 and needs_held_out(first.labels):
            raise UserError(
                f"arm {name!r}: {first.labels} asks how the teacher errs on clips that it did not learn from, and of "
                "students that teach in their turn that is not measured: leave recipe.rounds out, or the arm"
            )
        made += [dataclasses.replace(first, round=number) for number in range(1, last + 1)]
    return made


def configured_arms() -> list[Arm]:
    """The arms of the recipe that gin has parsed, without running it."""
    known = inspect.signature(make_arms).parameters
    return make_arms(**{name: value for name, value in gin.get_bindings("recipe").items() if name in known})


def choose_arms(arms: Sequence[Arm], names: Sequence[str]) -> list[Arm]:
    """The arms of these names, every round of theirs; all without names.

    Raises:
      UserError: there is no arm of a name; the nearest one is told.
    """
    if isinstance(names, str):
        raise UserError(f"the arms to run are {names!r}: give a list, e.g. [{names!r}]")
    known = dict.fromkeys(arm.name for arm in arms)
    for name in names:
        if name not in known:
            raise UserError(
                f"--arms={name}: there is no such arm{nearest(str(name), known)}: give some of {', '.join(known)}"
            )
    return [arm for arm in arms if not names or arm.name in names]


def unused_options(arms: Sequence[Arm]) -> list[str]:
    """A line for every option of the recipe that has no effect on any of its arms."""
    lines = []
    for option, unset in _OF_LABELS.items():
        values = {getattr(arm, option) for arm in arms} - {unset}
        if values and not any(option in _options_of(arm.labels) for arm in arms):
            lines.append(f"recipe.{option} = {values.pop()} changes nothing: it is for {_takers(option)}")
    return lines


def _options_of(labels: str) -> Collection[str]:
    return LABELLERS[labels].options if labels in LABELLERS else ()


def _takers(option: str) -> str:
    return ", ".join(name for name, labeller in LABELLERS.items() if option in labeller.options)


def _checked(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    where = f"recipe.arms, {name!r}"
    if not isinstance(name, str) or not re.fullmatch(_NAME, name) or name in _TAKEN_BY_STEPS:
        raise UserError(f"{where}: a name is letters, digits and '_', and none of {', '.join(_TAKEN_BY_STEPS)}")
    if not isinstance(options, Mapping):
        raise UserError(f"{where}: {options!r} are no options: give e.g. {{'labels': 'spl_b'}}, or {{}} for none")
    for option, value in options.items():
        if option not in _OPTIONS:
            raise UserError(
                f"{where}: no option {option!r}{nearest(str(option), _OPTIONS)}; there are {', '.join(_OPTIONS)}"
            )
        fits, expected = _OPTIONS[option]
        if not fits(value):
            raise UserError(f"{where}: {option} = {value!r}: give {expected}")
    if "labels" not in options and name not in LABELS:
        raise UserError(f"{where}: no labels have its name: give 'labels', one of {', '.join(LABELS)}")
    labels = options.get("labels", name)
    for option, unset in _OF_LABELS.items():
        if options.get(option, unset) != unset and labels in LABELS and option not in _options_of(labels):
            raise UserError(f"{where}: {option} is for {_takers(option)}, not for {labels}: leave it out")
    for option in _OF_PRETRAINING:
        of_selfsup = option == "web_clips_per_class" and options.get("self_supervised") == "web"
        if labels == NO_PRETRAINING and options.get(option) is not None and not of_selfsup:
            raise UserError(f"{where}: {option} is for the pre-training, which {labels!r} has not: leave it out")
    shares = options.get("shares", "")
    if shares and (not re.fullmatch(_NAME, shares) or re.fullmatch(_TAKEN_BY_EXPERIMENT, shares)):
        raise UserError(f"{where}: shares = {shares!r}: give letters and digits, but not shards, videos or seed0")
    bindings = tuple(f"{key} = {_written(value)}" for key, value in options.get("bindings", {}).items())
    return {"labels": name} | dict(options) | {"bindings": bindings}


def _written(value: Any) -> str:
    """As in a gin file; gin has put functions in the place of references."""
    return f"@{value.__name__}" if callable(value) else repr(value)
