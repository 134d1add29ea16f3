"""Streams of training clips that are compared: this package's, and what bounds it."""

from collections.abc import Callable

import tensorflow as tf

from spl_tf.data import record_decoding
from spl_tf.data.dataset import ClipDataset
from spl_tf.data.input.pipeline import training_clips
from spl_tf.data.input.targets import join_targets
from spl_tf.data.input.views import ViewShape, view_window
from spl_tf.data.record_decoding import EncodedClip
from spl_tf.labels.targets import NONE

# Held in memory by "decoding".
_SOME_CLIPS = 64


def _spl_tf(dataset: ClipDataset, shape: ViewShape, batch_size: int) -> tf.data.Dataset:
    return training_clips(
        dataset,
        join_targets(dataset, form=NONE),
        batch_size=batch_size,
        seed=0,
        num_frames=shape.num_frames,
        frame_stride=shape.frame_stride,
        crop_size=shape.crop_size,
    )


def _plain(dataset: ClipDataset, shape: ViewShape, batch_size: int) -> tf.data.Dataset:
    files = tf.data.Dataset.from_tensor_slices([shard.path for shard in dataset.shards]).repeat()
    records = files.interleave(tf.data.TFRecordDataset, num_parallel_calls=tf.data.AUTOTUNE)
    return _batched(records, lambda record: _first_frames(record_decoding.parse(record), shape), batch_size)


def _decoding(dataset: ClipDataset, shape: ViewShape, batch_size: int) -> tf.data.Dataset:
    records = tf.data.TFRecordDataset([shard.path for shard in dataset.shards]).take(_SOME_CLIPS)
    clips = records.map(lambda record: vars(record_decoding.parse(record))).cache().repeat()
    return _batched(clips, lambda clip: _first_frames(EncodedClip(**clip), shape), batch_size)


def model_garden(dataset: ClipDataset, shape: ViewShape, batch_size: int) -> tf.data.Dataset:
    """Of tf-models-official's task of video classification, as it trains: windows and flips by chance, shuffled."""
    from official.vision.configs import video_classification as configs
    from official.vision.tasks.video_classification import VideoClassificationTask

    data = configs.DataConfig(
        input_path=[shard.path for shard in dataset.shards],
        file_type="tfrecord",
        num_classes=len(dataset.classes),
        feature_shape=(shape.num_frames, shape.crop_size, shape.crop_size, 3),
        temporal_stride=shape.frame_stride,
        min_image_size=dataset.short_side,
        is_training=True,
        global_batch_size=batch_size,
    )
    return VideoClassificationTask(configs.VideoClassificationTask(train_data=data)).build_inputs(data)


def _first_frames(clip: EncodedClip, shape: ViewShape) -> tf.Tensor:
    indices = shape.frame_stride * tf.range(shape.num_frames) % clip.num_frames
    window = view_window(clip.height, clip.width, shape.crop_size, tf.constant(0), 1)
    return record_decoding.decode(clip, indices, window)


def _batched(elements: tf.data.Dataset, decode: Callable, batch_size: int) -> tf.data.Dataset:
    clips = elements.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    return clips.batch(batch_size, drop_remainder=True).prefetch(2)


PIPELINES = {"spl_tf": _spl_tf, "plain": _plain, "decoding": _decoding}
