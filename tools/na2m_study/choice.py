"""Which pre-training tables 6 and 7 begin with: the best one on a part of the target set, never on test videos."""

import pathlib

import numpy as np

from spl_tf import files
from tools.na2m_study.arms import NONE, Key, choice_keys, choosable
from tools.study.results import Row
from tools.study.run import Study, finished_row, run_arms

# Column of a row: a linear probe fitted on a part of the target set and tested on the rest.
PROBE = "choice_probe"


def best_pretraining(study: Study, results: pathlib.Path) -> str:
    """Runs what the choice lacks, waiting for rows that other processes work on, and chooses.

    Args:
      study: of all rows.
      results: file of finished rows, appended to.
    """
    wanted = {key: study.identity(key) for key in choice_keys()}

    def rows() -> dict[Key, Row | None]:
        return {key: finished_row(key, row, results) for key, row in wanted.items()}

    while missing := [key for key, row in rows().items() if row is None]:
        run_arms(study, missing, results)
        for key in missing:
            with files.locked(study.lock(key), "an arm of the study", wait=True):
                pass
    return chosen([row for row in rows().values() if row is not None])


def chosen(rows: list[Row]) -> str:
    """The pre-training whose probe is best in the mean over seeds; of equal ones the first of `choosable`."""

    def mean(name: str) -> float:
        return float(np.mean([row[PROBE] for row in rows if row["pretraining"] == name]))

    return max((name for name in choosable() if name != NONE), key=mean)
