"""From shards to batches of uint8 clips: an endless shuffled stream for training, one ordered pass for evaluation.

Memory of the training stream: the undecoded records of two blocks, one consumed
and one read ahead (each at most `block_bytes` or a single larger shard; discarded
clips and those of other hosts are dropped as they are read), and the decoded
clips of about three batches. Measured with one frame per clip: twice `block_bytes`
plus 0.3 GB. Each host reads every shard but keeps and decodes only its own share.
"""

import sys
from collections.abc import Sequence

import gin
import numpy as np
import tensorflow as tf

from spl_tf.data import record_decoding
from spl_tf.data.dataset import ClipDataset
from spl_tf.data.input import augmentation, blocks, views
from spl_tf.data.input.augmentation import NO_JITTER, ColorJitter
from spl_tf.data.input.order import BlockOrder
from spl_tf.data.input.targets import join_labels
from spl_tf.errors import UserError
from spl_tf.files import Path
from spl_tf.labels.assign import read_summary

GIB = 1 << 30


def count_training_clips(dataset: ClipDataset, labels_dir: Path | None = None) -> np.ndarray:
    """Clips of each class in an epoch: those that the label side-cars keep.

    Returns:
      int64 [N], for the side-cars' classes, or the data set's own.

    Raises:
      UserError: as `training_clips`.
    """
    joined = join_labels(dataset, labels_dir)
    if labels_dir is None:
        return np.array(list(dataset.clips_per_class.values()), np.int64)
    num_classes = len(read_summary(labels_dir).class_names)
    return np.bincount(np.concatenate([shard.labels for shard in joined]), minlength=num_classes)


@gin.configurable(
    allowlist=["flip", "color_jitter", "brightness", "contrast", "saturation", "hue", "block_bytes", "block_shards"]
)
def training_clips(
    dataset: ClipDataset,
    labels_dir: Path | None = None,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    num_frames: int,
    frame_stride: int,
    crop_size: int,
    flip: bool = True,
    color_jitter: bool = True,
    brightness: float = ColorJitter.brightness,
    contrast: Sequence[float] = ColorJitter.contrast,
    saturation: Sequence[float] = ColorJitter.saturation,
    hue: float = ColorJitter.hue,
    block_bytes: int = GIB,
    block_shards: int = 64,
    host: int = 0,
    num_hosts: int = 1,
) -> tf.data.Dataset:
    """The endless stream of training batches.

    Clip i of the stream is a function of the data set, the labels, `seed`,
    `block_bytes` and `block_shards` alone. Each epoch holds every kept clip once;
    batches run across the borders of epochs, so a batch may even be larger than
    an epoch. A stream started at step s equals the tail of one started at 0, and
    no skipped shard is opened.

    Args:
      dataset: the shards.
      labels_dir: folder of label side-cars, one per shard; None: the label in each record, weight 1.
      batch_size: global batch, over all hosts and replicas.
      seed: of the order and of all augmentation; non-negative.
      start_step: number of batches already consumed.
      num_frames: T.
      frame_stride: distance of the drawn frames, in stored frames. Clips too short for
        T frames at this stride are looped.
      crop_size: S, side of the square window in pixels, one random place per clip.
      flip: mirror half of the clips.
      color_jitter: False: the colour factors change nothing.
      brightness: largest change, of pixels in [0, 1].
      contrast, saturation: lowest and highest factor, see `augmentation.ColorJitter`.
      hue: largest rotation, in turns.
      block_bytes: bound of a block's size in bytes.
      block_shards: bound of a block's number of shards.
      host: number of this host.
      num_hosts: each decodes its own contiguous share of every global batch.

    Returns:
      a dataset of dicts, with b = batch_size / num_hosts:
        "clips" uint8 [b, T, S, S, 3], RGB;
        "labels" int32 [b];
        "weights" float32 [b];
        "color" float32 [b, 4]: brightness, contrast, saturation, hue, applied by
          `preprocessing.prepare_training`;
        "index" int64 [b]: the clip's place in the data set.

    Raises:
      UserError: an option does not fit the data, or the labels do not (see `targets.join_labels`).
    """
    _check_frames(dataset, batch_size=batch_size, num_frames=num_frames, frame_stride=frame_stride, crop_size=crop_size)
    _check_at_least(0, seed=seed, start_step=start_step)
    _check_at_least(1, block_bytes=block_bytes, block_shards=block_shards)
    if batch_size % num_hosts:
        raise UserError(f"batch_size = {batch_size} does not divide by the {num_hosts} hosts")
    joined = join_labels(dataset, labels_dir)
    jitter = ColorJitter(brightness, tuple(contrast), tuple(saturation), hue) if color_jitter else NO_JITTER
    order = BlockOrder(
        shard_bytes=[shard.num_bytes for shard in dataset.shards],
        shard_clips=[len(labels.rows) for labels in joined],
        seed=seed,
        block_bytes=block_bytes,
        block_shards=block_shards,
    )

    def decode(row: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        clip = record_decoding.parse(row["record"])
        uniforms = augmentation.draw_uniforms(seed, row["epoch"], clip.clip_id)
        start = views.random_start(clip.num_frames, num_frames, frame_stride, uniforms[0])
        frames = record_decoding.decode(
            clip,
            views.frame_indices(start, clip.num_frames, num_frames, frame_stride),
            views.random_window(clip.height, clip.width, crop_size, uniforms[1:3]),
        )
        if flip:  # tf.reverse took a tenth of the time of a slice with step -1.
            frames = tf.cond(uniforms[3] < 0.5, lambda: tf.reverse(frames, axis=[2]), lambda: frames)
        return {
            "clips": tf.ensure_shape(frames, [num_frames, crop_size, crop_size, 3]),
            "labels": row["label"] if labels_dir is not None else _single_label(clip),
            "weights": row["weight"],
            "color": augmentation.draw_color_jitter(jitter, uniforms[4:]),
            "index": row["index"],
        }

    planner = blocks.BlockPlanner(order, dataset.shards, joined, batch_size, host, num_hosts)
    plans = planner.plans(start_step * batch_size)
    stream = plans.map(blocks.read_block).prefetch(1).flat_map(blocks.stream_block)
    return _batched(stream.map(decode, num_parallel_calls=tf.data.AUTOTUNE), batch_size // num_hosts)


def evaluation_clips(
    dataset: ClipDataset,
    *,
    batch_size: int,
    num_frames: int,
    frame_stride: int,
    crop_size: int,
    num_views: int = 1,
    num_crops: int = 1,
    shards: Sequence[int] | None = None,
    rows_per_shard: int = sys.maxsize,
) -> tf.data.Dataset:
    """Every view of every record once, in the order of the data set.

    Args:
      dataset: the shards.
      batch_size: every batch has exactly this size.
      num_frames: T.
      frame_stride: distance of the drawn frames, in stored frames.
      crop_size: S, side of the square window, in pixels.
      num_views: draws per record, uniformly spaced over its length; 1: the middle.
      num_crops: windows of each draw, uniformly spaced along the long side; 1: the middle.
      shards: positions in `dataset.shards` of the shards to read; None: all.
      rows_per_shard: most records to read of each shard, from its first on.

    Returns:
      a finite dataset of known length, of dicts:
        "clips" uint8 [B, T, S, S, 3], RGB;
        "weights" float32 [B]: 1, or 0 for the padding of the last batch;
        "labels" int32 [B]: -1 where a record has no label or several, and for padding;
        "shard", "row", "view" int32 [B]: where the element comes from, -1 for padding; all
          crops of a draw follow each other, view = draw * num_crops + crop;
        "clip_id", "video_id" string [B], empty for padding.

    Raises:
      UserError: an option does not fit the data.
    """
    _check_frames(dataset, batch_size=batch_size, num_frames=num_frames, frame_stride=frame_stride, crop_size=crop_size)
    _check_at_least(1, num_views=num_views, num_crops=num_crops)
    positions = range(len(dataset.shards)) if shards is None else shards
    paths = tf.constant([dataset.shards[position].path for position in positions], tf.string)
    total = sum(min(dataset.shards[position].records, rows_per_shard) for position in positions) * num_views * num_crops

    def read_shard(path: tf.Tensor, shard: tf.Tensor) -> tf.data.Dataset:
        rows = tf.data.TFRecordDataset(path).take(rows_per_shard).enumerate()
        return rows.map(
            lambda row, record: (shard, tf.cast(row, tf.int32), vars(record_decoding.parse(record))),
            num_parallel_calls=tf.data.AUTOTUNE,
        )

    def add_views(*row) -> tf.data.Dataset:
        return tf.data.Dataset.range(num_views * num_crops, output_type=tf.int32).map(lambda view: (*row, view))

    def decode(shard: tf.Tensor, row: tf.Tensor, parsed: dict[str, tf.Tensor], view: tf.Tensor) -> dict[str, tf.Tensor]:
        clip = record_decoding.EncodedClip(**parsed)
        start = views.view_start(clip.num_frames, num_frames, frame_stride, view // num_crops, num_views)
        frames = record_decoding.decode(
            clip,
            views.frame_indices(start, clip.num_frames, num_frames, frame_stride),
            views.view_window(clip.height, clip.width, crop_size, view % num_crops, num_crops),
        )
        return {
            "clips": tf.ensure_shape(frames, [num_frames, crop_size, crop_size, 3]),
            "weights": tf.constant(1.0),
            "labels": tf.cond(tf.size(clip.labels) == 1, lambda: clip.labels[0], lambda: -1),
            "shard": shard,
            "row": row,
            "view": view,
            "clip_id": clip.clip_id,
            "video_id": clip.video_id,
        }

    elements = tf.data.Dataset.from_tensor_slices((paths, tf.constant(list(positions), tf.int32)))
    elements = elements.flat_map(read_shard).flat_map(add_views)
    elements = elements.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    # A shard that holds fewer or more records than it should is an error, not a silent loss.
    elements = elements.apply(tf.data.experimental.assert_cardinality(total))
    padding = {
        "clips": tf.zeros([num_frames, crop_size, crop_size, 3], tf.uint8),
        "weights": tf.constant(0.0),
        **{key: tf.constant(-1) for key in ("labels", "shard", "row", "view")},
        **{key: tf.constant("") for key in ("clip_id", "video_id")},
    }
    elements = elements.concatenate(tf.data.Dataset.from_tensors(padding).repeat(-total % batch_size))
    return _batched(elements, batch_size)


def _single_label(clip: record_decoding.EncodedClip) -> tf.Tensor:
    """int32 []: the record's only label."""
    single = tf.debugging.Assert(
        tf.size(clip.labels) == 1,
        ["clip", clip.clip_id, "does not have exactly one label: train with label side-cars", clip.labels],
    )
    with tf.control_dependencies([single]):
        return clip.labels[0]


def _batched(elements: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # Hosts share the work by `host` and `num_hosts`, and replicas split each batch.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return elements.batch(batch_size, drop_remainder=True).prefetch(2).with_options(options)


def _check_frames(dataset: ClipDataset, *, crop_size: int, **sizes: int) -> None:
    _check_at_least(1, crop_size=crop_size, **sizes)
    if crop_size > dataset.short_side:
        raise UserError(
            f"crop_size = {crop_size} is larger than the {dataset.short_side} pixels of the short side in "
            f"{dataset.folder}: choose a smaller crop_size, or run spl_tf.shard with a larger --short_side"
        )


def _check_at_least(lowest: int, **options: int) -> None:
    for name, value in options.items():
        if value < lowest:
            raise UserError(f"{name} = {value}: must be at least {lowest}")
