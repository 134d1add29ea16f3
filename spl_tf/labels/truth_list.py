"""A short list of web clips that somebody looked at."""

import csv
import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spl_tf.errors import UserError
from spl_tf.files import require_regular

_COLUMNS = ("clip_id", "label")


@dataclasses.dataclass(frozen=True, eq=False)
class TruthList:
    """What n clips show.

    Attributes:
      path: of the list.
      clip_ids: n ids, each once.
      classes: int32 [n]; N for a clip that shows none of the N classes.
    """

    path: pathlib.Path
    clip_ids: pa.Array
    classes: np.ndarray

    def places(self, clip_ids: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Rows of some clips that are listed, and their places in the list: two int64 [found]."""
        places = pc.index_in(clip_ids, self.clip_ids)
        rows = np.flatnonzero(places.is_valid().to_numpy(zero_copy_only=False))
        return rows, places.take(pa.array(rows)).to_numpy(zero_copy_only=False).astype(np.int64)


def read_truth_list(path: pathlib.Path, classes: Sequence[str]) -> TruthList:
    """Reads a CSV file with the columns clip_id and label; an empty label is of a clip that shows none of the classes.

    Raises:
      UserError: the file is missing or no such list, a label is no class, or a clip is listed twice.
    """
    require_regular(path, "name a CSV file with the columns clip_id and label")
    ids = {name: number for number, name in enumerate(classes)} | {"": len(classes)}
    found: dict[str, int] = {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as opened:
            reader = csv.DictReader(opened, strict=True)
            if lacking := [name for name in _COLUMNS if name not in (reader.fieldnames or ())]:
                raise UserError(f"{path} has no column {lacking[0]!r}: give the columns clip_id and label")
            for row in reader:
                clip_id, label = (row[name] for name in _COLUMNS)
                where = f"line {reader.line_num} of {path}"
                if label not in ids:
                    raise UserError(
                        f"{where}: {label!r} is no class; leave the label empty where none of them is shown"
                    )
                if clip_id in found:
                    raise UserError(f"{where}: the clip {clip_id} is listed twice: remove one of the lines")
                found[clip_id] = ids[label]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a CSV file in UTF-8 ({error}): save it as one") from error
    if not found:
        raise UserError(f"{path} lists no clip: give some that were looked at")
    return TruthList(path, pa.array(found, pa.string()), np.array(list(found.values()), np.int32))


def video_of(clip_id: str) -> str:
    """The video that a clip was cut from: ids are `<video id>@<start in milliseconds>`."""
    return clip_id.rpartition("@")[0] or clip_id
