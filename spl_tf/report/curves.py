"""Training curves from TensorBoard's event files, read in one stream: pictures among the numbers cost no memory."""

import dataclasses
import itertools
import pathlib

import numpy as np
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util import tensor_util

from spl_tf.data.record_lengths import impossible_length
from spl_tf.remote import mirror

_TAGS = {f"train/{name}": name for name in ("loss", "accuracy", "hit_at_1")}
_MOST_POINTS = 200


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """Values over steps: steps int64 [n], rising; values float64 [n], finite."""

    steps: np.ndarray
    values: np.ndarray


def read_curves(logs: pathlib.Path) -> dict[str, Curve]:
    """ "loss" and "accuracy" of a stage, each of at most 200 points; those without a point are left out.

    A resumed stage has an event file for every session. Steps that a later session did again count as it found them.
    """
    points: dict[str, dict[int, float]] = {name: {} for name in _TAGS.values()}
    mirror.fetch_folder(logs)
    for path in sorted(logs.glob("events.out.tfevents.*")):
        for name, session_points in _read_session(path).items():
            if session_points:
                start = min(session_points)
                before = {step: value for step, value in points[name].items() if step < start}
                points[name] = before | session_points
    return {name: thinned(known) for name, known in points.items() if known}


def _read_session(path: pathlib.Path) -> dict[str, dict[int, float]]:
    """Name -> step -> value, of one event file; up to its damage, when it is damaged."""
    points: dict[str, dict[int, float]] = {name: {} for name in _TAGS.values()}
    impossible = impossible_length(str(path))
    events = EventFileLoader(str(path)).Load()
    for event in itertools.islice(events, impossible[0]) if impossible else events:
        for value in event.summary.value:
            if value.tag in _TAGS:
                number = float(tensor_util.make_ndarray(value.tensor))
                if np.isfinite(number):
                    points[_TAGS[value.tag]][event.step] = number
    return points


def thinned(points: dict[int, float]) -> Curve:
    """At most 200 evenly chosen points, the first and the last among them."""
    steps = np.array(sorted(points), np.int64)
    chosen = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), _MOST_POINTS)).round().astype(int))
    return Curve(steps[chosen], np.array([points[int(step)] for step in steps[chosen]]))
