"""A short list of web clips that somebody looked at, and what labels are worth by it."""

import csv
import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spl_tf.errors import UserError
from spl_tf.files import require_regular
from spl_tf.labels.label_quality import LabelQuality, label_entries, label_quality
from spl_tf.labels.targets import Targets

_COLUMNS = ("clip_id", "label")
_DRAWS = 1000
_LEVEL = 0.95


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


@dataclasses.dataclass(frozen=True)
class Measured:
    """What listed clips say of labels, corrected for chance, and the ends of 95 % intervals."""

    value: LabelQuality
    low: LabelQuality
    high: LabelQuality


def measured_quality(
    targets: Targets, classes: np.ndarray, videos: np.ndarray, num_classes: int, seed: int = 0
) -> Measured | None:
    """Measures labels of clips whose class is known; None where they keep no listed clip.

    Clips of one video resemble each other, so videos are drawn. A label of few listed clips looks purer than it is, by
    chance, and tells more bits; as the draws of listed clips look better than these by as much, twice the measured
    value less their mean is the corrected one, and the interval is likewise turned around it (the basic bootstrap).

    Args:
      targets: of n listed clips.
      classes: int [n], what they show; num_classes for none.
      videos: int [n], the video of each.
      num_classes: N.
      seed: of the draws.
    """
    clips, labels, shares = label_entries(targets)
    if not len(clips):
        return None
    num_videos = int(videos.max()) + 1
    # The same number for each pair of label and class that occurs.
    kinds, kind_of = np.unique(labels.astype(np.int64) * (num_classes + 1) + classes[clips], return_inverse=True)
    labels_of, classes_of = np.divmod(kinds, num_classes + 1)
    rows = np.unique(labels_of, return_inverse=True)[1]

    def qualities(drawn: np.ndarray) -> list[LabelQuality]:
        """Of draws of videos, int [draws, videos]."""
        found = []
        for weights in drawn:
            joint = np.zeros((rows.max() + 1, num_classes + 1))
            joint[rows, classes_of] = np.bincount(kind_of, shares * weights[videos[clips]], len(kinds))
            everything = np.bincount(classes, weights[videos], num_classes + 1)
            found.append(_of_known(joint, everything))
        return found

    (measured,) = qualities(np.ones((1, num_videos), np.int64))
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(num_videos, np.full(num_videos, 1 / num_videos), _DRAWS)
    names = [field.name for field in dataclasses.fields(LabelQuality)]
    draws = np.array([[getattr(each, name) for name in names] for each in qualities(drawn)])
    point = np.array([getattr(measured, name) for name in names])
    low, high = np.nanquantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
    bits = np.log2(num_classes + 1)
    most = np.array([1.0, bits, bits, 1.0, 1.0])
    turned = (2 * point - np.nanmean(draws, axis=0), 2 * point - high, 2 * point - low)
    value, lower, upper = (LabelQuality(*np.clip(values, 0, most).tolist()) for values in turned)
    return Measured(value, lower, upper)


def _of_known(joint: np.ndarray, everything: np.ndarray) -> LabelQuality:
    """As `label_quality`; clips that show none of the classes, the last column, are right with no label."""
    found = label_quality(joint, everything)
    shown = label_quality(joint[:, :-1], everything[:-1])
    purity = joint[:, :-1].max(axis=1).sum() / joint.sum() if joint.sum() else np.nan
    return dataclasses.replace(found, purity=float(purity), least_kept=shown.least_kept)
