"""Finds videos of the table of metadata by the names that lists and files give them: the key, or the id alone."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spl_tf import files
from tools.noisyactions2m import table


class VideoNames:
    """The V videos of a table, in its order.

    Attributes:
      keys: string [V].
    """

    def __init__(self, metadata: files.Path):
        """Raises UserError where the table cannot be read."""
        batches = list(table.read_rows(metadata, ["key", "id"]))
        self.keys = pa.chunked_array([batch["key"] for batch in batches], pa.string()).combine_chunks()
        ids = pa.chunked_array([batch["id"] for batch in batches], pa.string()).combine_chunks()
        counted = pc.value_counts(ids)
        unique = pc.filter(pc.struct_field(counted, "values"), pc.equal(pc.struct_field(counted, "counts"), 1))
        # An id on two sites names neither video.
        self._rows_of_ids = np.flatnonzero(pc.is_in(ids, value_set=unique).to_numpy(zero_copy_only=False))
        self._ids = ids.take(pa.array(self._rows_of_ids))

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, names: pa.Array) -> np.ndarray:
        """Row of each name, a key or else an id of one site alone; -1 for a name of no video: int64 [names]."""
        by_key = pc.fill_null(pc.index_in(names, value_set=self.keys), -1).to_numpy(zero_copy_only=False)
        by_id = pc.fill_null(pc.index_in(names, value_set=self._ids), -1).to_numpy(zero_copy_only=False)
        rows = np.append(self._rows_of_ids, -1)[by_id]
        return np.where(by_key >= 0, by_key, rows).astype(np.int64)
