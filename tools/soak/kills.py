"""The log of kills: a CSV file that a soak that was stopped itself goes on with."""

import csv
import dataclasses
import pathlib
import signal
from collections.abc import Sequence

from spl_tf import files
from spl_tf.errors import UserError
from tools.soak.watching import BETWEEN, START, Span


@dataclasses.dataclass(frozen=True)
class Kill:
    """One kill.

    Attributes:
      number: from 1.
      run: the disturbed run it belongs to, from 1.
      signal: "SIGKILL" or "SIGTERM".
      step: what was running.
      seconds: after this step was first seen in its session.
      exit_code: as of `subprocess`; None when the process did not end.
      exit_seconds: from the signal to the end of the process.
      survivors: processes it left alive, separated by spaces.
      rows_lost: of results.csv, since the start of the session.
    """

    number: int
    run: int
    signal: str
    step: str
    seconds: float
    exit_code: int | None
    exit_seconds: float
    survivors: str
    rows_lost: int

    def fault(self) -> str | None:
        """What was wrong with the end of the process, None when nothing was."""
        accepted = {-signal.SIGKILL} if self.signal == "SIGKILL" else {143}
        if self.signal == "SIGTERM" and self.step in (START, BETWEEN):
            accepted.add(-signal.SIGTERM)  # Python is still starting, or ending: nobody handles the signal.
        if self.exit_code not in accepted:
            ended = "did not end" if self.exit_code is None else f"gave exit code {self.exit_code}"
            return f"kill {self.number}: {self.signal} in {self.step} {ended}"
        if self.survivors:
            return f"kill {self.number}: {self.signal} in {self.step} left alive: {self.survivors}"
        if self.rows_lost:
            return f"kill {self.number}: {self.signal} in {self.step} left results.csv {self.rows_lost} rows shorter"
        return None


def write_kills(path: pathlib.Path, kills: Sequence[Kill]) -> None:
    with files.atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, [field.name for field in dataclasses.fields(Kill)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(kill) for kill in kills)


def read_kills(path: pathlib.Path) -> list[Kill]:
    """The kills so far; none when there is no such file."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    try:
        return [
            Kill(
                number=int(row["number"]),
                run=int(row["run"]),
                signal=row["signal"],
                step=row["step"],
                seconds=float(row["seconds"]),
                exit_code=int(row["exit_code"]) if row["exit_code"] else None,
                exit_seconds=float(row["exit_seconds"]),
                survivors=row["survivors"],
                rows_lost=int(row["rows_lost"]),
            )
            for row in rows
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error!r}): delete its folder and run the soak again") from error


def format_kills(spans: Sequence[Span], kills: Sequence[Kill]) -> str:
    """Kills per step as a Markdown table, the steps in their order."""
    rows = [("step", "seconds", "SIGKILL", "SIGTERM")]
    seconds = {span.step: f"{span.end - span.begin:.1f}" for span in spans}
    for step in dict.fromkeys([*seconds, *(kill.step for kill in kills)]):
        counts = [sum(kill.step == step and kill.signal == name for kill in kills) for name in rows[0][2:]]
        rows.append((step, seconds.get(step, "-"), *map(str, counts)))
    totals = [str(sum(kill.signal == name for kill in kills)) for name in rows[0][2:]]
    rows.append(("all", f"{max(span.end for span in spans):.1f}", *totals))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |" for row in rows]
    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
