"""Which frames and which window of a clip are decoded, decided before any decoding.

Frames are counted as stored. A draw of `num_frames` frames at `frame_stride`
reaches over (num_frames - 1) * frame_stride + 1 stored frames. A clip shorter
than that is looped: its first frame follows its last, and the draw starts at 0.
"""

import tensorflow as tf


def slack(available: tf.Tensor, num_frames: int, frame_stride: int) -> tf.Tensor:
    """How far a draw can be moved inside a clip of `available` frames; 0 for a looped clip."""
    return tf.maximum(available - ((num_frames - 1) * frame_stride + 1), 0)


def random_start(available: tf.Tensor, num_frames: int, frame_stride: int, uniform: tf.Tensor) -> tf.Tensor:
    """First frame of a training draw; every start that fits is equally likely.

    Args:
      available: int32 [], stored frames.
      uniform: float32 [] in [0, 1).
    """
    return scaled(uniform, slack(available, num_frames, frame_stride) + 1)


def view_start(available: tf.Tensor, num_frames: int, frame_stride: int, view: tf.Tensor, num_views: int) -> tf.Tensor:
    """First frame of an evaluation view: a single view is centred, several are
    uniformly spaced, the first from the clip's start and the last to its end
    (Non-local Networks' test protocol).

    Args:
      available: int32 [], stored frames.
      view: int32 [] in [0, num_views).
    """
    room = slack(available, num_frames, frame_stride)
    if num_views == 1:
        return room // 2
    return (room * view + (num_views - 1) // 2) // (num_views - 1)  # Rounded to the nearest frame.


def frame_indices(start: tf.Tensor, available: tf.Tensor, num_frames: int, frame_stride: int) -> tf.Tensor:
    """int32 [num_frames]: the drawn frames; past the end the clip is looped."""
    return (start + frame_stride * tf.range(num_frames)) % available


def random_window(height: tf.Tensor, width: tf.Tensor, size: int, uniforms: tf.Tensor) -> tf.Tensor:
    """int32 [4]: y, x, height, width of a square window, every place equally likely.

    Args:
      height: int32 [], pixels; at least `size`, as is `width`.
      uniforms: float32 [2] in [0, 1).
    """
    return tf.stack([scaled(uniforms[0], height - size + 1), scaled(uniforms[1], width - size + 1), size, size])


def view_window(height: tf.Tensor, width: tf.Tensor, size: int, crop: tf.Tensor, num_crops: int) -> tf.Tensor:
    """int32 [4]: y, x, height, width of a square window of an evaluation view.

    One crop is centred; three are at the start, the middle and the end of the long
    side (Non-local Networks' test protocol), several uniformly spaced along it.

    Args:
      height: int32 [], pixels; at least `size`, as is `width`.
      crop: int32 [] in [0, num_crops).
    """
    room = tf.stack([height - size, width - size])
    centred = room // 2
    if num_crops == 1:
        return tf.stack([centred[0], centred[1], size, size])
    spaced = (room * crop + (num_crops - 1) // 2) // (num_crops - 1)
    is_long = tf.stack([height > width, height <= width])
    y, x = tf.unstack(tf.where(is_long, spaced, centred))
    return tf.stack([y, x, size, size])


def scaled(uniform: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """An int32 in [0, count) from a float32 in [0, 1)."""
    return tf.minimum(tf.cast(uniform * tf.cast(count, tf.float32), tf.int32), count - 1)
