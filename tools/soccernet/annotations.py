"""What SoccerNet's annotators wrote: Labels.json (2018, three events) and Labels-v2.json (17 events)."""

import dataclasses
import json
import math
import pathlib
import re
from typing import Any

from spl_tf.data.lists.csv_tables import text

BACKGROUND = "Background"
CARD = "Card"
GOAL = "Goal"
SUBSTITUTION = "Substitution"
# In the order of the paper's figure 8.
CLASSES = (BACKGROUND, CARD, GOAL, SUBSTITUTION)

# The later one is preferred.
FILES = {"v2": "Labels-v2.json", "v1": "Labels.json"}

# The labels of Labels-v2.json in lower case -> class; None for events of no class.
_V2_CLASSES = {
    "goal": GOAL,
    "yellow card": CARD,
    "red card": CARD,
    "yellow->red card": CARD,
    "substitution": SUBSTITUTION,
} | dict.fromkeys(
    (
        *("penalty", "kick-off", "offside", "shots on target", "shots off target", "clearance", "ball out of play"),
        *("throw-in", "foul", "indirect free-kick", "direct free-kick", "corner"),
    )
)
# Labels.json: soccer-ball, soccer-ball-own, y-card, r-card, yr-card, substitution-in; SoccerNet's own rule.
_V1_CLASSES = {"card": CARD, "subs": SUBSTITUTION, "soccer": GOAL}

_GAME_TIME = re.compile(r"\s*([12])\s*-\s*(\d{1,3}):([0-5]\d)\s*")


@dataclasses.dataclass(frozen=True)
class Event:
    """Something annotated.

    Attributes:
      half: 1 or 2.
      time_ms: from the beginning of the half's video.
      label: as it is written.
      class_name: of CLASSES; None for an event of no class.
      shown: whether the broadcast shows it, as Labels-v2.json says.
      source: file and place in it.
    """

    half: int
    time_ms: int
    label: str
    class_name: str | None
    shown: bool
    source: str


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something amiss, most of which gives no clip. What stands before a bracket in the reason is counted."""

    reason: str
    game: str
    half: int | None = None
    time_ms: int | None = None
    label: str = ""
    source: str = ""


@dataclasses.dataclass(frozen=True)
class GameEvents:
    """The annotations of a game.

    Attributes:
      events: that give clips, each time and class once.
      moments: (half, time_ms) of whatever is annotated, in either version, from which Background keeps away.
      is_complete: whether the annotations of either version could all be read and have a time, without which no
        part of the game is surely Background.
    """

    events: tuple[Event, ...]
    moments: tuple[tuple[int, int], ...]
    is_complete: bool


def class_of(label: str) -> str | None:
    """Class of a label of either version, None for a known event of no class.

    Raises:
      KeyError: no version has the label.
    """
    label = label.strip().lower()
    if label in _V2_CLASSES:
        return _V2_CLASSES[label]
    for part, class_name in _V1_CLASSES.items():
        if part in label:
            return class_name
    raise KeyError(label)


def read_game(folder: pathlib.Path, game: str, version: str | None) -> tuple[GameEvents | None, list[Problem]]:
    """Reads the annotations of a game.

    Args:
      folder: of the game.
      game: its name in problems.
      version: "v1" or "v2", as if there were no other; None for the later one that can be read.

    Returns:
      The events, None where no file of the version can be read; and what is amiss.
    """
    read: dict[str, tuple[list[Event], list[Problem]]] = {}
    problems = []
    for name, file_name in FILES.items():
        if version not in (None, name):
            continue
        try:
            read[name] = _read_file(folder / file_name, game)
        except FileNotFoundError:
            continue
        except ValueError as error:
            problems.append(Problem(f"damaged annotations ({error})", game, source=file_name))
    chosen = next(iter(read), None)
    if chosen is None:
        if not problems:
            problems.append(Problem(f"no annotations (no {FILES[version] if version else 'Labels file'})", game))
        return None, problems
    faults = [fault for _, found in read.values() for fault in found]
    is_complete = not problems and all(fault.time_ms is not None for fault in faults)
    others = [name for name in read if name != chosen]
    problems += [Problem(f"other annotations used ({FILES[chosen]})", game, source=FILES[name]) for name in others]
    usable, unusable = _usable(read[chosen][0], game)
    moments = sorted({(event.half, event.time_ms) for found, _ in read.values() for event in found})
    return GameEvents(tuple(usable), tuple(moments), is_complete), problems + faults + unusable


def _read_file(path: pathlib.Path, game: str) -> tuple[list[Event], list[Problem]]:
    """All events with a time; and the annotations without one, and those whose time is not the one of the video.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file cannot be read, or holds no annotations.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(error.strerror) from error
    annotations = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(annotations, list):
        raise ValueError("no list 'annotations'")
    if not annotations:
        raise ValueError("the list 'annotations' is empty")
    events, faults = [], []
    for number, annotation in enumerate(annotations, 1):
        source = f"{path.name} annotation {number}"
        fields = annotation if isinstance(annotation, dict) else {}
        label, game_time = _text(fields.get("label")), _text(fields.get("gameTime"))
        name = _GAME_TIME.fullmatch(game_time)
        if not name:
            what = f"gameTime {game_time!r}" if fields else "not an object"
            faults.append(Problem(f"damaged annotation ({what})", game, label=label, source=source))
            continue
        position = fields.get("position")
        position_ms = _position_ms(position)
        time_ms = (60 * int(name[2]) + int(name[3])) * 1000 if position_ms is None else position_ms
        try:
            class_name = class_of(label)
        except KeyError:
            class_name = ""
        shown = _text(fields.get("visibility")).lower() != "not shown"
        event = Event(int(name[1]), time_ms, label, class_name, shown, source)
        events.append(event)
        if position is not None and position_ms is None:
            faults.append(problem_of(event, f"damaged position ({_text(position)!r}, gameTime taken)", game))
    return events, faults


def _usable(events: list[Event], game: str) -> tuple[list[Event], list[Problem]]:
    """The events of a class that are shown, each time and class once; and the others but those of no class."""
    firsts: dict[tuple[int, int, str], Event] = {}
    problems = []
    for event in events:
        if event.class_name is None:
            continue
        if not event.class_name:
            reason = "unknown label" if event.label else "damaged annotation (no label)"
        elif not event.shown:
            reason = "not shown"
        else:
            first = firsts.setdefault((event.half, event.time_ms, event.class_name), event)
            reason = "" if first is event else f"repeated annotation (see {first.source})"
        if reason:
            problems.append(problem_of(event, reason, game))
    return list(firsts.values()), problems


def problem_of(event: Event, reason: str, game: str) -> Problem:
    return Problem(reason, game, event.half, event.time_ms, event.label, event.source)


def _position_ms(value: Any) -> int | None:
    """The field `position`, milliseconds as a text or number; None for anything else."""
    try:
        position = float(_text(value))
    except ValueError:
        return None
    return round(position) if 0 <= position < math.inf else None


def _text(value: Any) -> str:
    """A text or number on one line; empty for what else JSON can hold."""
    is_plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return " ".join(text(value).split()) if is_plain else ""
