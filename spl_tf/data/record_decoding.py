"""From the bytes of a record to a uint8 clip: only the drawn frames are decoded, and only inside one window."""

import dataclasses

import tensorflow as tf

from spl_tf.data import record
from spl_tf.data.dataset import ForeignRecords

# For tf.io.parse_single_sequence_example.
CONTEXT_FEATURES = {
    record.CLIP_ID: tf.io.FixedLenFeature([], tf.string),
    record.LABELS: tf.io.VarLenFeature(tf.int64),
    record.LABEL_TEXTS: tf.io.VarLenFeature(tf.string),
    record.START: tf.io.FixedLenFeature([], tf.int64),
    record.END: tf.io.FixedLenFeature([], tf.int64),
    record.FORMAT: tf.io.FixedLenFeature([], tf.string),
    record.HEIGHT: tf.io.FixedLenFeature([], tf.int64),
    record.WIDTH: tf.io.FixedLenFeature([], tf.int64),
    record.CHANNELS: tf.io.FixedLenFeature([], tf.int64),
    record.FRAME_RATE: tf.io.FixedLenFeature([], tf.float32),
    record.RECORD_VERSION: tf.io.FixedLenFeature([], tf.int64),
    record.VIDEO_ID: tf.io.FixedLenFeature([], tf.string),
    record.QUERIES: tf.io.VarLenFeature(tf.string),
    record.KEY: tf.io.VarLenFeature(tf.string),
}
SEQUENCE_FEATURES = {
    record.FRAMES: tf.io.FixedLenSequenceFeature([], tf.string),
    record.TIMESTAMPS: tf.io.FixedLenSequenceFeature([], tf.int64),
}


_CONTEXT = {
    key: CONTEXT_FEATURES[key] for key in (record.CLIP_ID, record.VIDEO_ID, record.LABELS, record.HEIGHT, record.WIDTH)
}
_SEQUENCE = {record.FRAMES: SEQUENCE_FEATURES[record.FRAMES]}


@dataclasses.dataclass(frozen=True)
class EncodedClip:
    """A parsed record whose frames are still JPEG.

    Attributes:
      clip_id: string [].
      video_id: string [].
      labels: int32 [any number].
      height: int32 [], pixels.
      width: int32 [], pixels.
      frames: string [stored frames], JPEG.
      stored_size: int32 [2], of a record that another program wrote: height and width of its frames, JPEG or PNG,
        which are scaled to `height` and `width`. None for ours.
    """

    clip_id: tf.Tensor
    video_id: tf.Tensor
    labels: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    frames: tf.Tensor
    stored_size: tf.Tensor | None = None

    @property
    def num_frames(self) -> tf.Tensor:
        """int32 []."""
        return tf.size(self.frames)

    def tensors(self) -> dict[str, tf.Tensor]:
        """The attributes that are there, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


def parse(serialized: tf.Tensor, foreign: ForeignRecords | None = None) -> EncodedClip:
    """Parses a serialized SequenceExample, string []; one of another program as `shard_records` completes it."""
    of_context, of_sequence, frames_key = _CONTEXT, _SEQUENCE, record.FRAMES
    if foreign is not None:
        of_context = _CONTEXT | {record.STORED_SIZE: tf.io.FixedLenFeature([2], tf.int64)}
        frames_key = foreign.frames
        of_sequence = {frames_key: SEQUENCE_FEATURES[record.FRAMES]}
    context, sequence = tf.io.parse_single_sequence_example(serialized, of_context, of_sequence)
    return EncodedClip(
        clip_id=context[record.CLIP_ID],
        video_id=context[record.VIDEO_ID],
        labels=tf.cast(context[record.LABELS].values, tf.int32),
        height=tf.cast(context[record.HEIGHT], tf.int32),
        width=tf.cast(context[record.WIDTH], tf.int32),
        frames=sequence[frames_key],
        stored_size=None if foreign is None else tf.cast(context[record.STORED_SIZE], tf.int32),
    )


def decode(clip: EncodedClip, indices: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Decodes the drawn frames inside one window.

    The pixels are those of the whole frame, decoded by OpenCV and then cut.
    INTEGER_ACCURATE is the inverse DCT that OpenCV uses (TensorFlow's default differs
    by up to 3 levels). One more column is decoded on either side: where colour is
    stored at half resolution, the outermost pixels need their neighbours' (without,
    they differ by up to 20 levels).

    Args:
      indices: int32 [T]; may repeat.
      window: int32 [4]: y, x, height, width in pixels.

    Returns:
      uint8 [T, height, width, 3], RGB.

    Raises:
      tf.errors.InvalidArgumentError: the stored frames are smaller than the window
        or no JPEG (both name the clip), or a JPEG is damaged further inside.
    """
    frames = tf.gather(clip.frames, indices)
    checks = [
        tf.debugging.Assert(
            tf.reduce_all([window[:2] >= 0, window[:2] + window[2:] <= [clip.height, clip.width]]),
            ["clip", clip.clip_id, "is smaller than crop_size: height, width", clip.height, clip.width, window],
        )
    ]
    if clip.stored_size is not None:
        with tf.control_dependencies(checks):
            return _scaled(frames, clip, tf.identity(window))
    checks.append(
        tf.debugging.Assert(
            tf.reduce_all(tf.strings.substr(frames, 0, 2) == b"\xff\xd8"),
            ["clip", clip.clip_id, "has a frame that is no JPEG: run spl_tf.shard --verify"],
        )
    )
    with tf.control_dependencies(checks):
        y, x, height, width = tf.unstack(window)
    left = tf.maximum(x - 1, 0)
    wider = tf.stack([y, left, height, tf.minimum(x + width + 1, clip.width) - left])

    def decode_frame(frame: tf.Tensor) -> tf.Tensor:
        return tf.image.decode_and_crop_jpeg(frame, wider, channels=3, dct_method="INTEGER_ACCURATE")

    if indices.shape[0] is None:
        # One by one: clips are decoded in parallel already.
        pictures = tf.map_fn(decode_frame, frames, fn_output_signature=tf.uint8, parallel_iterations=1)
    else:  # Without a loop a sixth faster.
        pictures = tf.stack([decode_frame(frame) for frame in tf.unstack(frames)])
    return pictures[:, :, x - left : x - left + width]


def _scaled(frames: tf.Tensor, clip: EncodedClip, window: tf.Tensor) -> tf.Tensor:
    """A window of frames that are scaled as a whole, with only what it shows of them decoded.

    Scaled bilinearly, smoothed where they shrink: the pixels are those of `tf.image.resize(antialias=True)`.

    Args:
      frames: string [T], JPEG or PNG of one size.
      clip: whose they are.
      window: int32 [4]: y, x, height, width in pixels of the scaled frames.

    Returns:
      uint8 [T, height, width, 3].
    """
    begin, size = tf.cast(window[:2], tf.float32), window[2:]
    scale = tf.cast([clip.height, clip.width], tf.float32) / tf.cast(clip.stored_size, tf.float32)
    # What the scaling's kernel reaches, and the neighbours of colours that are stored at half resolution.
    margin = tf.maximum(1.0 / scale, 1.0) + 2.0
    first = tf.maximum(tf.cast(tf.floor(begin / scale - margin), tf.int32), 0)
    last = tf.math.ceil((begin + tf.cast(size, tf.float32)) / scale + margin)
    box = tf.concat([first, tf.minimum(tf.cast(last, tf.int32), clip.stored_size) - first], axis=0)

    def decode_frame(frame: tf.Tensor) -> tf.Tensor:
        y, x, height, width = tf.unstack(box)
        return tf.cond(
            tf.strings.substr(frame, 0, 2) == b"\xff\xd8",
            lambda: tf.image.decode_and_crop_jpeg(frame, box, channels=3, dct_method="INTEGER_ACCURATE"),
            lambda: tf.io.decode_png(frame, channels=3)[y : y + height, x : x + width],
        )

    pictures = tf.map_fn(decode_frame, frames, fn_output_signature=tf.uint8, parallel_iterations=1)

    def cut() -> tf.Tensor:
        y, x = tf.unstack(window[:2] - first)
        return pictures[:, y : y + size[0], x : x + size[1]]

    def resized() -> tf.Tensor:
        moved = tf.cast(first, tf.float32) * scale - begin
        values = tf.raw_ops.ScaleAndTranslate(
            images=pictures, size=size, scale=scale, translation=moved, kernel_type="triangle", antialias=True
        )
        return tf.saturate_cast(tf.round(values), tf.uint8)

    return tf.cond(tf.reduce_all(clip.stored_size == [clip.height, clip.width]), cut, resized)
