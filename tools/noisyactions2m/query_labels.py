"""The classes each video was found with, for all videos at once in two flat arrays."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tqdm

from spl_tf import files
from spl_tf.errors import UserError
from tools.noisyactions2m import query_rows, table

# The authors' lists name a video by its id; it is unique on one site, the key on all.
VIDEO_NAMES = ("id", "key")


@dataclasses.dataclass(frozen=True)
class QueryLabels:
    """Videos and the classes they were found with.

    Attributes:
      videos: names of the V videos, in the order of the table.
      offsets: int64 [V + 1], where each video's labels begin.
      labels: int64 [offsets[V]], positions of classes; rising and each once within a video.
      unusable: names that no line of a list can hold, being empty or having a space; they are not among `videos`.
    """

    videos: pa.Array
    offsets: np.ndarray
    labels: np.ndarray
    unusable: list[str]

    def per_video(self) -> np.ndarray:
        """Labels of each video: int64 [V]."""
        return np.diff(self.offsets)

    def per_class(self, num_classes: int) -> np.ndarray:
        """Videos of each class: int64 [num_classes]."""
        return np.bincount(self.labels, minlength=num_classes)

    def restricted(self, kept: np.ndarray) -> "QueryLabels":
        """The same videos with some classes alone, counted anew from 0.

        Args:
          kept: bool [number of classes].
        """
        stays = kept[self.labels]
        offsets = np.concatenate([[0], np.cumsum(stays)])[self.offsets]
        return dataclasses.replace(self, offsets=offsets, labels=(np.cumsum(kept) - 1)[self.labels[stays]])

    def relabelled(self, classes: Sequence[Sequence[int]]) -> "QueryLabels":
        """The same videos with other classes for theirs.

        Args:
          classes: of each class now, the classes that take its place.
        """
        lengths = np.array([len(each) for each in classes], np.int64)
        flat = np.array([label for each in classes for label in each], np.int64)
        number = int(flat.max(initial=0)) + 1
        repeats = lengths[self.labels]
        rows = np.repeat(np.repeat(np.arange(len(self.videos)), self.per_video()), repeats)
        # Where a label's classes begin in `flat`, less where they begin in the result.
        shift = (np.cumsum(lengths) - lengths)[self.labels] - (np.cumsum(repeats) - repeats)
        pairs = np.unique(rows * number + flat[np.arange(len(rows)) + np.repeat(shift, repeats)])
        rows, labels = np.divmod(pairs, number)
        counts = np.bincount(rows, minlength=len(self.videos))
        return dataclasses.replace(self, offsets=np.concatenate([[0], np.cumsum(counts)]), labels=labels)

    def rows(self) -> Iterator[tuple[str, list[int]]]:
        """Each video that has labels, with them."""
        for place in range(len(self.videos)):
            labels = self.labels[self.offsets[place] : self.offsets[place + 1]]
            if len(labels):
                yield self.videos[place].as_py(), labels.tolist()


def read(metadata: files.Path, queries: Sequence[str], video_names: str = "id") -> QueryLabels:
    """Reads which of the queries found which videos.

    Args:
      metadata: the table of metadata.
      queries: the classes, each once; a label is a position here. A video was found with one when it was found with
        a text of its base forms.
      video_names: the column that names the videos, one of VIDEO_NAMES.

    Raises:
      UserError: the table cannot be read, or two of its videos have one name.
    """
    names, counts, labels, unusable = [], [], [], []
    lookup, place = query_rows.Lookup(queries), {query: number for number, query in enumerate(queries)}
    for batch in tqdm.tqdm(table.read_rows(metadata, [video_names, "queries"]), desc="reading", unit="batch"):
        usable = pc.match_substring_regex(batch[video_names], r"^\S+$")
        unusable += pc.filter(batch[video_names], pc.invert(usable)).to_pylist()
        batch = batch.filter(usable)
        names.append(batch[video_names])
        rows, places = _pairs(batch["queries"], lookup, place)
        counts.append(np.bincount(rows, minlength=len(batch)))
        labels.append(places)
    videos = pa.chunked_array(names, pa.string())
    if pc.count_distinct(videos).as_py() < len(videos):
        repeated = next(entry["values"] for entry in pc.value_counts(videos).to_pylist() if entry["counts"] > 1)
        raise UserError(f"{metadata} has several videos with the {video_names} {repeated}: give --video_names=key")
    per_video = np.concatenate([np.zeros(1, np.int64), *counts])
    flat = np.concatenate([np.zeros(0, np.int64), *labels])
    return QueryLabels(pa.array(videos.to_pylist(), pa.string()), np.cumsum(per_video), flat, unusable)


def _pairs(queries: pa.Array, lookup: query_rows.Lookup, place: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and class positions of the queries that have a class, sorted, each pair once: int64 [P], int64 [P]."""
    texts = pc.struct_field(pc.list_flatten(queries), "query").dictionary_encode()
    found = [None if text is None else lookup.find(text) for text in texts.dictionary.to_pylist()]
    # The last is for a text that is absent.
    positions = np.array([*(-1 if query is None else place[query] for query in found), -1], np.int64)
    places = positions[pc.fill_null(texts.indices, -1).to_numpy(zero_copy_only=False)]
    rows = pc.list_parent_indices(queries).to_numpy(zero_copy_only=False).astype(np.int64)
    number = max(len(place), 1)
    return np.divmod(np.unique(rows[places >= 0] * number + places[places >= 0]), number)
