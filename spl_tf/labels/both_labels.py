"""A list of what carries both a clean and a noisy label, from which the noise can be counted."""

import csv
import pathlib

import numpy as np

from spl_tf.errors import UserError
from spl_tf.files import require_regular
from spl_tf.labels.confusion import count_pairs

_COLUMNS = ("label", "query")


def read_both_labels(path: pathlib.Path, classes: tuple[str, ...]) -> np.ndarray:
    """Counts the rows of a CSV file by clean label (column "label") and noisy label (column "query").

    Args:
      path: the file; other columns are not looked at.
      classes: the N class names.

    Returns:
      int64 [N, N], clean by noisy.

    Raises:
      UserError: the file is missing, is no such list, or has no row of a clean class.
    """
    # A row that is too short has None for a name, which no class has.
    ids: dict[str | None, int] = {name: number for number, name in enumerate(classes)}
    pairs = []
    require_regular(path, "name a CSV file with the columns label and query")
    try:
        with open(path, newline="", encoding="utf-8-sig") as opened:
            for number, row in enumerate(csv.DictReader(opened, strict=True), 2):
                names = [row.get(column) for column in _COLUMNS]
                if unknown := [name for name in names if name not in ids]:
                    raise UserError(
                        f"line {number} of {path}: {unknown[0]!r} is no class; the columns label and query hold class "
                        "names"
                    )
                pairs.append([ids[name] for name in names])
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a CSV file in UTF-8 ({error}): save it as one") from error
    clean, noisy = np.array(pairs, np.int64).reshape(-1, 2).T
    counts = count_pairs(clean, noisy, len(classes))
    if (empty := np.flatnonzero(counts.sum(axis=1) == 0)).size:
        raise UserError(f"{path} has no row of class {classes[empty[0]]!r}: add some, or estimate the matrix instead")
    return counts
