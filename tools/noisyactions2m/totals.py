"""What Table 2 of the paper counts, added up batch by batch."""

import collections
import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tools.noisyactions2m import countries

COLUMNS = ("key", "duration", "tags", "comments", "concepts", "latitude", "longitude")


@dataclasses.dataclass
class Field:
    """A field of the videos.

    Attributes:
      videos: that have it.
      total: of its numbers: seconds, tags, ...
    """

    videos: int = 0
    total: float = 0

    def add(self, numbers: np.ndarray) -> None:
        """Takes in one number for each video that has the field."""
        self.videos += len(numbers)
        self.total += float(numbers.sum())

    def mean(self) -> float | None:
        """Over the videos that have the field; None where none has."""
        return self.total / self.videos if self.videos else None

    def mean_over(self, videos: int) -> float | None:
        """Over so many videos, of which those without the field count 0; None for no video."""
        return self.total / videos if videos else None


class Totals:
    """Sums over the videos seen.

    Attributes:
      videos: number of videos.
      duration, tags, comments: of the videos that have them; seconds for the first.
      under_60, to_120: videos of less than 60 seconds, and of 60 to 120 seconds, both included.
      labels_per_video: labels -> videos; concepts, each once a video.
      videos_per_class: concept -> videos.
      per_country: country code -> videos.
      places: the latitudes and longitudes that are of a place, in arrays float64 [2, P].
      not_counted: pairs (key, reason) of what a field could not be counted for.
    """

    def __init__(self) -> None:
        self.videos = self.under_60 = self.to_120 = 0
        self.duration, self.tags, self.comments = Field(), Field(), Field()
        self.labels_per_video: collections.Counter[int] = collections.Counter()
        self.videos_per_class: collections.Counter[str] = collections.Counter()
        self.per_country: collections.Counter[str] = collections.Counter()
        self.places: list[np.ndarray] = []
        self.not_counted: list[tuple[str, str]] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes in rows with the COLUMNS."""
        self.videos += len(batch)
        for field, name in ((self.tags, "tags"), (self.comments, "comments")):
            lengths = pc.fill_null(pc.list_value_length(batch[name]), 0).to_numpy(zero_copy_only=False)
            field.add(lengths[lengths > 0])
        self._add_durations(batch)
        self._add_labels(batch["concepts"])
        self._add_places(batch)

    def labels(self) -> Field:
        """Labels of the videos that have some."""
        counts = self.labels_per_video
        return Field(sum(videos for labels, videos in counts.items() if labels), sum(k * v for k, v in counts.items()))

    def _add_durations(self, batch: pa.RecordBatch) -> None:
        seconds = _numbers(batch["duration"])
        there = pc.is_valid(batch["duration"]).to_numpy(zero_copy_only=False)
        usable = np.isfinite(seconds) & (seconds >= 0)
        self._leave_out(batch, there & ~usable, "duration is no length of time")
        seconds = seconds[usable]
        self.duration.add(seconds)
        self.under_60 += int((seconds < 60).sum())
        self.to_120 += int(((seconds >= 60) & (seconds <= 120)).sum())

    def _add_labels(self, concepts: pa.Array) -> None:
        names = pc.list_flatten(concepts).dictionary_encode()
        rows = pc.list_parent_indices(concepts).to_numpy(zero_copy_only=False)
        codes = names.indices.to_numpy(zero_copy_only=False)
        number = max(len(names.dictionary), 1)
        rows, codes = np.divmod(np.unique(rows.astype(np.int64) * number + codes), number)
        per_video = np.bincount(np.bincount(rows, minlength=len(concepts)))
        self.labels_per_video.update({labels: int(videos) for labels, videos in enumerate(per_video) if videos})
        per_class = np.bincount(codes, minlength=len(names.dictionary)).tolist()
        self.videos_per_class.update(dict(zip(names.dictionary.to_pylist(), per_class, strict=True)))

    def _add_places(self, batch: pa.RecordBatch) -> None:
        places = np.stack([_numbers(batch["latitude"]), _numbers(batch["longitude"])])
        valid = [pc.is_valid(batch[name]).to_numpy(zero_copy_only=False) for name in ("latitude", "longitude")]
        usable = countries.is_place(*places)
        self._leave_out(batch, (valid[0] | valid[1]) & ~usable, "coordinates are no place")
        if usable.any():
            self.places.append(places[:, usable])
            found = countries.look_up(*places[:, usable])
            self.per_country.update(code for code in found if code)
            at_sea = np.zeros(len(batch), bool)
            at_sea[np.flatnonzero(usable)] = [code is None for code in found]
            self._leave_out(batch, at_sea, "coordinates are in no country")

    def _leave_out(self, batch: pa.RecordBatch, mask: np.ndarray, reason: str) -> None:
        if mask.any():
            self.not_counted += [(key, reason) for key in batch["key"].filter(pa.array(mask)).to_pylist()]


def _numbers(column: pa.Array) -> np.ndarray:
    """NaN where there is none: float64."""
    return pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False)
