"""Counts what a classifier found the videos to be about (paper figure 2, appendix A.2).

The scores come from a file: CSV, Parquet, or the folder that tools.noisyactions2m.entities writes, with the columns

  video       key or id of a video of the table of metadata
  attribute   what text was scored: title, concepts, tags, ...
  entity      one of the classifier's labels
  score       from 0 to 1

A video has an entity when one of its attributes reaches the threshold: the labels of all attributes are combined.
"""

import collections
import dataclasses
import os
import pathlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import tqdm

from spl_tf import files
from spl_tf.errors import UserError
from tools.noisyactions2m.video_names import VideoNames

SCHEMA = pa.schema(
    [("video", pa.string()), ("attribute", pa.string()), ("entity", pa.string()), ("score", pa.float64())]
)
_ROWS_AT_ONCE = 1 << 20
_BYTES_AT_ONCE = 1 << 25


@dataclasses.dataclass(frozen=True)
class EntityCounts:
    """Entities of the V videos of a table.

    Attributes:
      per_entity: entity -> videos that have it, most first, of equals by name; an entity no video has counts 0.
      per_video: int64 [V], entities of each video.
      scored: bool [V], whether a video has a score at all.
      attributes: attribute -> scores.
      not_counted: pairs (video, reason) of the rows left out.
    """

    per_entity: dict[str, int]
    per_video: np.ndarray
    scored: np.ndarray
    attributes: dict[str, int]
    not_counted: list[tuple[str, str]]


def count(path: files.Path, videos: VideoNames, threshold: float) -> EntityCounts:
    """Counts the entities of a file of scores.

    Args:
      path: CSV file, Parquet file or folder of Parquet files.
      videos: of the table of metadata.
      threshold: a score that reaches it gives the entity.

    Raises:
      UserError: the file cannot be read or lacks a column.
    """
    members: dict[str, np.ndarray] = {}
    scored = np.zeros(len(videos), bool)
    attributes: collections.Counter[str] = collections.Counter()
    not_counted: list[tuple[str, str]] = []
    for batch in tqdm.tqdm(read_scores(path), desc="entities", unit="batch"):
        rows = videos.find(batch["video"])
        scores = pc.fill_null(batch["score"], np.nan).to_numpy(zero_copy_only=False)
        named = pc.is_valid(batch["entity"]).to_numpy(zero_copy_only=False)
        usable = (scores >= 0) & (scores <= 1) & named
        for mask, reason in ((rows < 0, "no video of the metadata"), ((rows >= 0) & ~usable, "no entity or score")):
            not_counted += [(name or "", reason) for name in batch["video"].filter(pa.array(mask)).to_pylist()]
        usable &= rows >= 0
        scored[rows[usable]] = True
        kept = batch.filter(pa.array(usable))
        attributes.update({e["values"] or "": e["counts"] for e in pc.value_counts(kept["attribute"]).to_pylist()})
        names = kept["entity"].dictionary_encode()
        codes = names.indices.to_numpy(zero_copy_only=False)
        reached = scores[usable] >= threshold
        for code, name in enumerate(names.dictionary.to_pylist()):
            member = members.setdefault(name, np.zeros(len(videos), bool))
            member[rows[usable][reached & (codes == code)]] = True
    totals = {name: int(member.sum()) for name, member in members.items()}
    per_video = sum((member.astype(np.int64) for member in members.values()), np.zeros(len(videos), np.int64))
    per_entity = dict(sorted(totals.items(), key=lambda entry: (-entry[1], entry[0])))
    return EntityCounts(per_entity, per_video, scored, dict(attributes), not_counted)


def read_scores(path: files.Path) -> Iterator[pa.RecordBatch]:
    """The scores, some rows at a time, with the columns of SCHEMA.

    Raises:
      UserError: as `count`.
    """
    # Names that begin with a full stop are what a killed run left behind.
    sources = sorted(pathlib.Path(path).glob("[!.]*.parquet")) if os.path.isdir(path) else [pathlib.Path(path)]
    if not sources:
        raise UserError(f"{path} has no Parquet file: make it with tools.noisyactions2m.entities")
    for source in sources:
        files.require_regular(source, "give a file of scores")
        try:
            read = _read_csv if source.suffix.lower() == ".csv" else _read_parquet
            for batch in read(source):
                scores = batch.select(SCHEMA.names).cast(SCHEMA)
                scores.validate(full=True)  # Damage that Parquet does not see, as text that is no UTF-8.
                yield scores
        except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:  # OSError is damage too.
            needed = ",".join(SCHEMA.names)
            raise UserError(f"{source} is no CSV or Parquet file with the columns {needed} ({error})") from error


def _read_csv(path: pathlib.Path) -> Iterator[pa.RecordBatch]:
    # Ids of numbers alone stay text.
    options = pyarrow.csv.ConvertOptions(column_types=SCHEMA)
    with pyarrow.csv.open_csv(path, pyarrow.csv.ReadOptions(block_size=_BYTES_AT_ONCE), None, options) as opened:
        yield from opened


def _read_parquet(path: pathlib.Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as opened:
        yield from opened.iter_batches(_ROWS_AT_ONCE, columns=SCHEMA.names)
