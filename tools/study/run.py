"""Runs arms that no other process works on and that the results file lacks."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Sequence

from spl_tf import files
from spl_tf.errors import UserError
from tools.study.arms import Arm
from tools.study.results import Row, append_row, read_rows
from tools.study.study import Study


def run_arms(arms: Sequence[Arm], output_dir: files.Path, results: files.Path) -> None:
    """Runs the arms in their order.

    Args:
      arms: of `all_arms`.
      output_dir: shards, networks and labels.
      results: gets a line per finished arm.

    Raises:
      UserError: what any of the stages raises.
    """
    study = Study(pathlib.Path(output_dir))
    results = pathlib.Path(results)
    for number, arm in enumerate(arms, 1):
        wanted = study.identity(arm)
        if _is_done(wanted, results):
            continue
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(files.locked(study.folder(arm), "an arm of the study"))
            except UserError:
                print(f"{_name(arm)}: another process works on it", flush=True)
                continue
            if not _is_done(wanted, results):  # The other process may just have finished it.
                print(f"arm {number} of {len(arms)}: {_name(arm)}", flush=True)
                append_row(results, wanted | study.run(arm))


def _is_done(wanted: Row, results: pathlib.Path) -> bool:
    # Rows of before an option was there have its default.
    return any(
        all(row.get(name, getattr(Arm, name, None)) == value for name, value in wanted.items())
        for row in read_rows(results)
    )


def _name(arm: Arm) -> str:
    options = {name: value for name, value in dataclasses.asdict(arm).items() if value != getattr(Arm, name, value)}
    return " ".join(
        [arm.study, arm.strategy, f"seed {arm.seed}", *(f"{name} {value}" for name, value in options.items())]
    )
