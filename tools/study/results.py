"""The results file of a study: one JSON line per finished run, appended by any number of processes."""

import datetime
import fcntl
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
from typing import Any

from spl_tf.errors import UserError

Row = dict[str, Any]

_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless", "scikit-learn")


def append_row(path: pathlib.Path, row: Row) -> None:
    """Adds one line in one write, which a kill can't cut in two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        opened.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_rows(path: pathlib.Path) -> list[Row]:
    """All rows so far, none when there is no file.

    Raises:
      UserError: a line is damaged.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise UserError(
                f"line {number} of {path} is damaged ({error}): remove it, its run is done again"
            ) from error
    return rows


def provenance() -> Row:
    """When, where and with what a row was made."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=pathlib.Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "date": datetime.date.today().isoformat(),
        "commit": described.stdout.strip() or "unknown",
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _PACKAGES},
        "cores": len(os.sched_getaffinity(0)),
    }
