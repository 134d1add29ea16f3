"""Numbers of a list's row: the interval of a video, the rate of a folder of frames, the rank among search results."""

import math
from typing import Any

from spl_tf.data.lists.csv_tables import text

START = "start"
END = "end"
RANK = "rank"
FPS = "fps"

# Beyond 30 years a time is a slip of the keyboard, and would not fit where times are microseconds.
_MOST_SECONDS = 1e9


def read_interval(row: dict[str, Any]) -> tuple[float, float] | None:
    """Start and end of a row in seconds, the whole video where it gives none; None when it is no interval."""
    start, end = _number(row.get(START), 0.0), _number(row.get(END), math.inf)
    is_interval = 0 <= start < end and start <= _MOST_SECONDS and (end <= _MOST_SECONDS or math.isinf(end))
    return (start, end) if is_interval else None  # None also where either is not a number (nan).


def read_frames_fps(row: dict[str, Any], default: float | None) -> float | None:
    """Frames per second of a row's folder of frames, `default` where it gives none; nan when it is no number."""
    return _number(row[FPS], math.nan) if text(row.get(FPS)) else default


def is_usable_fps(fps: float) -> bool:
    """Whether a folder of frames can be read at this rate."""
    return 0.001 <= fps <= 1000


def read_rank(row: dict[str, Any]) -> float:
    """Place among the search results; infinity where a row has none, or no number."""
    rank = _number(row.get(RANK), math.inf)
    return math.inf if math.isnan(rank) else rank


def _number(value: Any, default: float) -> float:
    """A cell as a number, the default where it is empty; nan for what is not one."""
    if not text(value):
        return default
    try:
        return float(text(value))
    except ValueError:
        return math.nan
