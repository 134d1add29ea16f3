"""From shards to batches of uint8 clips: an endless shuffled stream for training, one ordered pass for evaluation.

Memory of the training stream: the undecoded records of two blocks, one consumed
and one read ahead (each at most `block_bytes` or a single larger shard; discarded
clips are dropped as they are read), and the decoded clips of about three batches.
Measured with one frame per clip: twice `block_bytes` plus 0.3 GB. Of several hosts
each has lanes of its own, with their share of `block_bytes`, and opens only the
shards of these.
"""

import dataclasses
import functools
import sys
from collections.abc import Callable, Sequence

import gin
import numpy as np
import tensorflow as tf

from spl_tf.data import record_decoding
from spl_tf.data.dataset import ClipDataset
from spl_tf.data.input import augmentation, blocks
from spl_tf.data.input.augmentation import NO_JITTER, ColorJitter
from spl_tf.data.input.checks import check_at_least, check_frames
from spl_tf.data.input.class_aware import class_aware_draws
from spl_tf.data.input.order import BlockOrder
from spl_tf.data.input.photometric import NUM_DRAWS, Photometric
from spl_tf.data.input.targets import TrainingTargets
from spl_tf.data.input.view_samplers import RandomViews, ViewSampler, with_random_skips
from spl_tf.data.input.views import ViewShape
from spl_tf.data.record_decoding import EncodedClip
from spl_tf.data.record_reading import shard_records, with_possible_lengths
from spl_tf.errors import UserError

GIB = 1 << 30
_ONE_VIEW = RandomViews()


# Further draws of a clip in an epoch draw what later epochs would, beyond any that is reached.
_FAR_EPOCH = 1 << 32


@gin.configurable(
    allowlist=[
        "flip",
        "color_jitter",
        "brightness",
        "contrast",
        "saturation",
        "hue",
        "skips",
        "crop_scales",
        "class_aware",
        "block_bytes",
        "block_shards",
        "lanes",
    ]
)
@tf.autograph.experimental.do_not_convert  # Rewriting a pipeline's functions takes seconds, and none needs it.
def training_clips(
    dataset: ClipDataset,
    targets: TrainingTargets,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    num_frames: int,
    frame_stride: int,
    crop_size: int,
    views: ViewSampler = _ONE_VIEW,
    photometric: Photometric | None = None,
    flip: bool = True,
    color_jitter: bool = True,
    brightness: float = ColorJitter.brightness,
    contrast: tuple[float, float] = ColorJitter.contrast,
    saturation: tuple[float, float] = ColorJitter.saturation,
    hue: float = ColorJitter.hue,
    skips: tuple[int, int] | None = None,
    crop_scales: Sequence[float] | None = None,
    class_aware: bool = False,
    block_bytes: int = GIB,
    block_shards: int = 64,
    lanes: int | None = None,
    host: int = 0,
    num_hosts: int = 1,
) -> tf.data.Dataset:
    """The endless stream of training batches.

    Clip i of the stream is a function of the data set, the clips that have targets, `seed`, `class_aware`,
    `block_bytes`, `block_shards` and `lanes` alone. Each epoch holds every kept clip once, or
    with `class_aware` as many clips as are kept;
    batches run across the borders of epochs, so a batch may even be larger than
    an epoch. A stream started at step s equals the tail of one started at 0, and
    no skipped shard is opened.

    Args:
      dataset: the shards.
      targets: of its clips, as from `join_targets`.
      batch_size: global batch, over all hosts and replicas.
      seed: of the order and of all augmentation; non-negative.
      start_step: number of batches already consumed.
      num_frames: T.
      frame_stride: distance of the drawn frames, in stored frames. Clips too short for
        T frames at this stride are looped.
      crop_size: S, side of the square window in pixels, one random place per view.
      views: of each clip, V of them.
      photometric: the change of colour, in place of the five options below.
      flip: mirror half of the views.
      color_jitter: False: the colour factors change nothing.
      brightness: largest change, of pixels in [0, 1].
      contrast, saturation: lowest and highest factor, see `augmentation.ColorJitter`.
      hue: largest rotation, in turns.
      skips: lowest and highest stride, from which that of each view is drawn in place of `frame_stride`, in clips that
        are long enough: see `view_samplers.RandomSkips`. None for `frame_stride`.
      crop_scales: of each view a window of one of these shares of the short side, (0, 1], is resized to S, bilinearly,
        e.g. [1.0, 0.84, 0.71, 0.59, 0.5] (the multi-scale crop of Hara et al. 2018); None cuts windows of S pixels.
      class_aware: draw clips so that every class comes equally often, those of rare ones again and again with other
        views: see `spl_tf.data.input.class_aware`. Else every clip comes once an epoch.
      block_bytes: bound of a block's size in bytes.
      block_shards: bound of a block's number of shards.
      lanes: parts of every epoch that are read side by side, each with its share of `block_bytes` and `block_shards`, a
        multiple of the number of hosts; None: one for each host. With the same number a run may go on on fewer or more
        hosts and sees the same batches.
      host: number of this host.
      num_hosts: each reads its own lanes, and decodes its own contiguous share of every global batch.

    Returns:
      a dataset of dicts, with b = batch_size / num_hosts:
        "clips" uint8 [b, T, S, S, 3], RGB; of V > 1 views [b, V, T, S, S, 3];
        "labels", "weights" and maybe "known": see `TrainingTargets.look_up`;
        "color" float32 [b, 4], of V > 1 views [b, V, 4]: brightness, contrast, saturation, hue, applied by
          `preprocessing.prepare_training`; or the draws of `photometric`;
        "index" int64 [b]: the clip's place in the data set;
        what `views` carries.

    Raises:
      UserError: an option does not fit the data.
    """
    check_frames(dataset, batch_size=batch_size, num_frames=num_frames, frame_stride=frame_stride, crop_size=crop_size)
    check_at_least(0, seed=seed, start_step=start_step)
    check_at_least(1, block_bytes=block_bytes, block_shards=block_shards, num_views=views.num_views)
    if batch_size % num_hosts:
        raise UserError(f"batch_size = {batch_size} does not divide by the {num_hosts} hosts")
    lanes = num_hosts if lanes is None else lanes
    if lanes < 1 or lanes % num_hosts or batch_size % lanes:
        raise UserError(
            f"training_clips.lanes = {lanes}: give a multiple of the {num_hosts} hosts by which batch_size = "
            f"{batch_size} divides"
        )
    if crop_scales is not None and not (crop_scales and all(0 < scale <= 1 for scale in crop_scales)):
        raise UserError(f"training_clips.crop_scales = {crop_scales}: give numbers above 0 and up to 1, or None")
    if skips is not None:
        views = with_random_skips(views, skips)
    shape = ViewShape(num_frames, frame_stride, crop_size)
    jitter = ColorJitter(brightness, contrast, saturation, hue) if color_jitter else NO_JITTER
    if photometric is not None and jitter != ColorJitter():
        print("training_clips.color_jitter and its factors change nothing here: the objective has its own", flush=True)
    order = BlockOrder(
        shard_bytes=[shard.num_bytes for shard in dataset.shards],
        shard_clips=[len(rows) for rows in targets.rows],
        seed=seed,
        block_bytes=block_bytes // lanes,
        block_shards=max(1, block_shards // lanes),
        lanes=lanes,
        draws=class_aware_draws(dataset, targets, seed) if class_aware else None,
    )

    def mirrored(frames: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        # tf.reverse took a tenth of the time of a slice with step -1.
        return tf.cond(uniform < 0.5, lambda: tf.reverse(frames, axis=[2]), lambda: frames)

    def draw_color(uniforms: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        if photometric is None:
            return augmentation.draw_color_jitter(jitter, uniforms)
        return tf.random.stateless_uniform([views.num_views, NUM_DRAWS], key, alg="philox")

    def decode(row: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        clip = record_decoding.parse(row["record"], dataset.foreign)
        clip_key = seed, row["epoch"] + _FAR_EPOCH * row["repeat"], clip.clip_id
        uniforms = augmentation.draw_uniforms(*clip_key, views.num_views)
        drawn = views.draw(clip.num_frames, shape, uniforms[:, 0], augmentation.draw_key(*clip_key, "views"))
        scales = None
        if crop_scales is not None:
            scales = augmentation.draw_scales(crop_scales, augmentation.draw_key(*clip_key, "scales"), views.num_views)
        each = tf.unstack(shape.at(clip, drawn.starts, uniforms[:, 1:3], drawn.strides, scales))
        if flip:
            each = [mirrored(view, uniform) for view, uniform in zip(each, tf.unstack(uniforms[:, 3]), strict=True)]
        color = draw_color(uniforms[:, 4:], augmentation.draw_key(*clip_key, "color"))
        # A view is half a megabyte: one alone is not copied.
        clips, color = (each[0], color[0]) if views.num_views == 1 else (tf.stack(each), color)
        own = {"clips": clips, "color": color, "index": row["index"]}
        element = {**own, **drawn.carried, **targets.for_record(clip)}
        return element if targets.one_label is None else element | {"epoch": row["epoch"]}

    read = functools.partial(blocks.read_block, foreign=dataset.foreign)

    def lane_stream(lane: int) -> tf.data.Dataset:
        planner = blocks.BlockPlanner(dataclasses.replace(order, lane=lane), dataset.shards, targets.rows)
        plans = planner.plans(start_step * (batch_size // lanes))
        return plans.flat_map(read).prefetch(1).flat_map(blocks.stream_block)

    own = range(host * (lanes // num_hosts), (host + 1) * (lanes // num_hosts))
    elements = _in_turn([lane_stream(lane) for lane in own], batch_size // lanes).map(
        decode, num_parallel_calls=tf.data.AUTOTUNE
    )
    return _batched(elements, batch_size // num_hosts, targets.look_up)


@tf.autograph.experimental.do_not_convert
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
    batch_over_shards: bool = True,
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
      batch_over_shards: False begins a batch anew at every shard. A sum's last bit can be of a clip's place in its
        batch, so this makes what comes of a shard independent of which others are read.

    Returns:
      a finite dataset of known length, of dicts:
        "clips" uint8 [B, T, S, S, 3], RGB;
        "weights" float32 [B]: 1, or 0 for the last view repeated until its batch is full;
        "labels" string [B]: class ids with a comma between, empty for none;
        "shard", "row", "view" int32 [B]: where the element comes from; all
          crops of a draw follow each other, view = draw * num_crops + crop;
        "clip_id", "video_id" string [B].

    Raises:
      UserError: an option does not fit the data.
    """
    check_frames(dataset, batch_size=batch_size, num_frames=num_frames, frame_stride=frame_stride, crop_size=crop_size)
    check_at_least(1, num_views=num_views, num_crops=num_crops)
    shape = ViewShape(num_frames, frame_stride, crop_size)
    positions = range(len(dataset.shards)) if shards is None else shards
    paths = tf.constant([dataset.shards[position].path for position in positions], tf.string)
    rows = np.array([min(dataset.shards[position].records, rows_per_shard) for position in positions], np.int64)
    views = num_views * num_crops
    padding = _padding(rows * views, batch_size, batch_over_shards)

    def read_shard(path: tf.Tensor, shard: tf.Tensor, last: tf.Tensor, padding: tf.Tensor) -> tf.data.Dataset:
        def parse(row: tf.Tensor, record: tf.Tensor):
            elements = views + tf.where(row == last, padding, 0)
            return shard, tf.cast(row, tf.int32), record_decoding.parse(record, dataset.foreign).tensors(), elements

        records = shard_records(with_possible_lengths(path, dataset.foreign), dataset.foreign).take(rows_per_shard)
        return records.enumerate().map(parse, num_parallel_calls=tf.data.AUTOTUNE)

    def add_views(shard: tf.Tensor, row: tf.Tensor, parsed: dict[str, tf.Tensor], elements: tf.Tensor):
        return tf.data.Dataset.range(elements).map(lambda element: (shard, row, parsed, tf.cast(element, tf.int32)))

    def decode(shard: tf.Tensor, row: tf.Tensor, parsed: dict[str, tf.Tensor], element: tf.Tensor):
        clip, view = EncodedClip(**parsed), tf.minimum(element, views - 1)
        return {
            "clips": shape.uniform(clip, view // num_crops, num_views, view % num_crops, num_crops),
            "weights": tf.cast(element < views, tf.float32),
            "labels": tf.strings.reduce_join(tf.strings.as_string(clip.labels), separator=","),
            "shard": shard,
            "row": row,
            "view": view,
            "clip_id": clip.clip_id,
            "video_id": clip.video_id,
        }

    elements = tf.data.Dataset.from_tensor_slices((paths, tf.constant(list(positions), tf.int32), rows - 1, padding))
    elements = elements.flat_map(read_shard).flat_map(add_views)
    elements = elements.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    # A shard that holds fewer or more records than it should is an error, not a silent loss.
    elements = elements.apply(tf.data.experimental.assert_cardinality(int(np.sum(rows * views + padding))))
    return _batched(elements, batch_size)


def _in_turn(streams: Sequence[tf.data.Dataset], count: int) -> tf.data.Dataset:
    """So many elements of each endless stream, again and again."""
    if len(streams) == 1:
        return streams[0]
    turns = tf.data.Dataset.range(len(streams) * count).map(lambda place: place // count).repeat()
    return tf.data.Dataset.choose_from_datasets(streams, turns)


def _padding(elements: np.ndarray, batch_size: int, batch_over_shards: bool) -> np.ndarray:
    """int64 [shards]: how often each shard's last element is repeated, so that every batch is full."""
    if not batch_over_shards:
        return -elements % batch_size
    padding = np.zeros_like(elements)
    if elements.any():
        padding[np.flatnonzero(elements)[-1]] = -elements.sum() % batch_size
    return padding


def _batched(elements: tf.data.Dataset, batch_size: int, complete: Callable | None = None) -> tf.data.Dataset:
    """Whole batches in the order of the elements, each completed by a function."""
    options = tf.data.Options()
    options.deterministic = True
    # Hosts share the work by `host` and `num_hosts`, and replicas split each batch.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    batches = elements.batch(batch_size, drop_remainder=True)
    if complete is not None:
        batches = batches.map(complete)
    return batches.prefetch(2).with_options(options)
