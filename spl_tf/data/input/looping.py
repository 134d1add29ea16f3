"""Clips that are too short for a view are looped; here that is said, with their share."""

import itertools

import numpy as np
import tensorflow as tf
from absl import logging

from spl_tf.data.dataset import ClipDataset
from spl_tf.data.input.reading import readable
from spl_tf.data.input.views import ViewShape
from spl_tf.data.record import FRAMES, clip_from_bytes
from spl_tf.data.record_reading import shard_records, with_possible_lengths
from spl_tf.errors import UserError

# Records looked at, and the most shards they are taken from: some megabytes are read.
_MOST_CLIPS = 48
_MOST_SHARDS = 16


def tell_of_looping(dataset: ClipDataset, view: ViewShape, spread: int = 0) -> None:
    """Warns when clips are shorter than what a view, or a tuple of views, reaches over, so that its frames repeat.

    `dataset.json` has no lengths: up to 48 clips are looked at, the first of up to 16 shards that are evenly spaced.

    Args:
      dataset: the clips.
      view: the shape of a view.
      spread: of a tuple, see `view_samplers.ViewSampler`.

    Raises:
      UserError: a record can't be read.
    """
    reach = (spread + view.num_frames - 1) * view.frame_stride + 1
    if reach == 1 or not dataset.num_clips:
        return
    lengths = _some_lengths(dataset)
    if not (looped := int(np.count_nonzero(lengths < reach))):
        return
    apart = f", in views of which the last begins {spread:,} drawn frames after the first," if spread else ""
    looked_at = "clips" if len(lengths) == dataset.num_clips else "clips looked at"
    logging.warning(
        "%s: %d of %d %s (%.0f %%) are shorter than the %s frames that num_frames = %d at a stride of %d%s "
        "reach over (their median is %s), so they are looped: choose less of these, or longer clips",
        dataset.folder,
        looped,
        len(lengths),
        looked_at,
        100 * looped / len(lengths),
        f"{reach:,}",
        view.num_frames,
        view.frame_stride,
        apart,
        f"{np.median(lengths):,.0f}",
    )


def _some_lengths(dataset: ClipDataset) -> np.ndarray:
    """Stored frames of a few clips from all over the data set, int64 [n]."""
    shards = [shard for shard in dataset.shards if shard.records]
    chosen = shards[:: -(-len(shards) // _MOST_SHARDS)]
    # More of the full shards where others hold few clips.
    rows = [0] * len(chosen)
    open_places = itertools.cycle(range(len(chosen)))
    for _ in range(min(_MOST_CLIPS, sum(shard.records for shard in chosen))):
        rows[next(place for place in open_places if rows[place] < chosen[place].records)] += 1
    lengths, foreign = [], dataset.foreign
    for shard, count in zip(chosen, rows, strict=True):
        with readable(dataset.folder):
            records = shard_records(with_possible_lengths(tf.constant(shard.path), foreign), foreign).take(count)
            contents = list(records.as_numpy_iterator())
        try:
            frames_key = foreign.frames if foreign else FRAMES
            lengths += [len(clip_from_bytes(content, frames_key).frames) for content in contents]
        except ValueError as error:
            raise UserError(
                f"a record of {shard.path} {error}: python -m spl_tf.shard --verify={dataset.folder} names it"
            ) from error
    return np.array(lengths, np.int64)
