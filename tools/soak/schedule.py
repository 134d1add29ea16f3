"""When to kill: drawn anew before every kill from what is left of the run."""

import dataclasses
from collections.abc import Collection, Mapping

import numpy as np

from tools.soak.watching import START

# A step that was never hit is aimed at before its end: missed, it needs another whole run.
_REACH = 0.9


@dataclasses.dataclass(frozen=True)
class Moment:
    """So many seconds after a step was first seen in a session."""

    step: str
    seconds: float


def draw_moment(
    generator: np.random.Generator,
    remaining: Mapping[str, float],
    missing: Collection[str],
    kills_left: int,
    run: int = 1,
) -> Moment | None:
    """The next kill of a run, None when it may go on to its end.

    Each missing step gets a kill, and what is left of `kills_left` is spread over the remaining time; the first of
    these moments is it.

    Args:
      generator: decides.
      remaining: steps to come in their order -> seconds they took undisturbed.
      missing: steps of the whole recipe not hit yet.
      kills_left: kills to come in all, at least the number of missing steps.
      run: 1 for the first disturbed run. Later ones are for missed steps and aim nearer at their beginnings.
    """
    if START in missing and START in remaining and generator.random() * kills_left < 1:
        return Moment(START, generator.random() * remaining[START])
    # Every session begins with START: aimed at by chance it would take nearly all kills.
    steps = [step for step in remaining if step != START]
    if not steps:
        return None
    seconds = np.array([remaining[step] for step in steps])
    drawn = [
        (position, generator.random() * _REACH / run * seconds[position])
        for position, step in enumerate(steps)
        if step in missing
    ]
    for position in generator.choice(len(steps), max(0, kills_left - len(missing)), p=seconds / seconds.sum()):
        drawn.append((int(position), generator.random() * seconds[position]))
    if not drawn:
        return None
    position, moment = min(drawn)
    return Moment(steps[position], float(moment))
