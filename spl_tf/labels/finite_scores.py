"""Scores of a broken teacher in a side-car: NaN compares with nothing, and would pass for a prediction."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spl_tf.errors import UserError
from spl_tf.files import Path

_SCORES = ("confidence", "top_scores")


def require_finite_scores(
    batch: pa.RecordBatch, path: Path, first_row: int, clip_id_of: Callable[[int], str], remedy: str
) -> None:
    """Raises UserError that names the first clip of which a score, where scores were read, is empty, NaN or infinite.

    Whole lists of best scores may be missing: who needs them asks for them.

    Args:
      batch: some rows of a prediction side-car.
      path: the side-car.
      first_row: of the batch in it.
      clip_id_of: row in the side-car -> id.
      remedy: how the user gets a side-car anew.
    """
    for name in _SCORES:
        if name not in batch.schema.names:
            continue
        column = batch.column(name)
        is_list = pa.types.is_list(column.type)
        scores = column.flatten() if is_list else column
        broken = np.flatnonzero(~np.isfinite(scores.to_numpy(zero_copy_only=False)))
        if broken.size:
            place = int(broken[0])
            row = first_row + (pc.list_parent_indices(column)[place].as_py() if is_list else place)
            raise UserError(
                f"{path} row {row}, clip {clip_id_of(row)}, has a {name} that is no number: its teacher is broken or "
                f"the file damaged; delete the file and {remedy}"
            )
