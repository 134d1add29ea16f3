"""Runs arms that no other process works on and that the results file lacks."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any, Protocol

from spl_tf import files
from spl_tf.errors import UserError
from tools.study.results import Row, append_row, read_rows


class Study(Protocol):
    """What arms, which are dataclasses, are run by."""

    def identity(self, arm: Any) -> Row:
        """The arm's fields and the configuration as a hash."""

    def folder(self, arm: Any) -> pathlib.Path:
        """Where its stages lie."""

    def run(self, arm: Any) -> Row:
        """Its results."""


def run_arms(study: Study, arms: Sequence[Any], results: files.Path) -> None:
    """Runs the arms in their order.

    Args:
      study: knows how.
      arms: of the study.
      results: gets a line per finished arm.

    Raises:
      UserError: what any of the stages raises.
    """
    results = pathlib.Path(results)
    for number, arm in enumerate(arms, 1):
        wanted = study.identity(arm)
        if _is_done(arm, wanted, results):
            continue
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(files.locked(study.folder(arm), "an arm of the study"))
            except UserError:
                print(f"{_name(arm)}: another process works on it", flush=True)
                continue
            if not _is_done(arm, wanted, results):  # The other process may just have finished it.
                print(f"arm {number} of {len(arms)}: {_name(arm)}", flush=True)
                append_row(results, wanted | study.run(arm))


def _is_done(arm: Any, wanted: Row, results: pathlib.Path) -> bool:
    # Rows of before an option was there have its default.
    return any(
        all(row.get(name, getattr(type(arm), name, None)) == value for name, value in wanted.items())
        for row in read_rows(results)
    )


def _name(arm: Any) -> str:
    values = dataclasses.asdict(arm)
    options = [f"{name} {value}" for name, value in values.items() if value != getattr(type(arm), name, None)]
    return ", ".join(options)
