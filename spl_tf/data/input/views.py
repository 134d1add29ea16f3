"""Which frames and which window of a clip are decoded, decided before any decoding.

Frames are counted as stored. A draw of `num_frames` frames at `frame_stride`
reaches over (num_frames - 1) * frame_stride + 1 stored frames. A clip shorter
than that is looped: its first frame follows its last, and the draw starts at 0.
"""

import dataclasses

import tensorflow as tf

from spl_tf.data import record_decoding
from spl_tf.data.record_decoding import EncodedClip


@dataclasses.dataclass(frozen=True)
class ViewShape:
    """What is seen of a clip at once.

    Attributes:
      num_frames: T.
      frame_stride: distance of the drawn frames, in stored frames.
      crop_size: S, side of the square window, pixels.
    """

    num_frames: int
    frame_stride: int
    crop_size: int

    @property
    def clip_shape(self) -> tuple[int, int, int, int]:
        """(T, S, S, 3)."""
        return self.num_frames, self.crop_size, self.crop_size, 3

    def at(
        self,
        clip: EncodedClip,
        starts: tf.Tensor,
        places: tf.Tensor,
        strides: tf.Tensor | None = None,
        scales: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Views at given moments and random places; a frame that several of them show is decoded once.

        Args:
          starts: int32 [V], first frame of each, V known when traced.
          places: float32 [V, 2] in [0, 1).
          strides: int32 [V], distance of each one's frames; None for `frame_stride`.
          scales: float32 [V] in (0, 1]: of each a square window of this share of the short side, rounded down, is
            resized to `crop_size`; None cuts windows of `crop_size`, unchanged.

        Returns:
          uint8 [V, T, S, S, 3].
        """
        starts, places = tf.unstack(starts), tf.unstack(places)
        of_each = [self.frame_stride] * len(starts) if strides is None else tf.unstack(strides)
        sides = [self.crop_size] * len(starts)
        if scales is not None:
            short_side = tf.cast(tf.minimum(clip.height, clip.width), tf.float32)
            sides = tf.unstack(tf.maximum(tf.cast(short_side * scales, tf.int32), 1))
        indices = [
            frame_indices(start, clip.num_frames, self.num_frames, stride)
            for start, stride in zip(starts, of_each, strict=True)
        ]
        windows = [
            random_window(clip.height, clip.width, side, place) for side, place in zip(sides, places, strict=True)
        ]
        if len(starts) == 1:
            return self._fitted(record_decoding.decode(clip, indices[0], windows[0]), scales)[tf.newaxis]
        stacked = tf.stack(windows)
        corner = tf.reduce_min(stacked[:, :2], axis=0)
        around = tf.concat([corner, tf.reduce_max(stacked[:, :2] + stacked[:, 2:], axis=0) - corner], axis=0)
        shown, positions = tf.unique(tf.concat(indices, axis=0))
        frames = record_decoding.decode(clip, shown, around)
        corners = map(tf.unstack, tf.unstack(stacked[:, :2] - corner))
        views = [
            self._fitted(tf.gather(frames, own)[:, y : y + side, x : x + side], scales)
            for own, side, (y, x) in zip(tf.split(positions, len(starts)), sides, corners, strict=True)
        ]
        return tf.stack(views)

    def uniform(
        self,
        clip: EncodedClip,
        view: tf.Tensor | int = 0,
        num_views: int = 1,
        crop: tf.Tensor | int = 0,
        num_crops: int = 1,
    ) -> tf.Tensor:
        """One of several views, uniformly spaced in time and along the long side; by default the middle one.

        Returns:
          uint8 [T, S, S, 3].
        """
        indices = self.uniform_indices(clip.num_frames, view, num_views)
        window = view_window(clip.height, clip.width, self.crop_size, crop, num_crops)
        return self._fitted(record_decoding.decode(clip, indices, window))

    def uniform_indices(self, available: tf.Tensor, view: tf.Tensor | int = 0, num_views: int = 1) -> tf.Tensor:
        """int32 [T]: the frames that `uniform` decodes of a clip of `available` frames."""
        start = view_start(available, self.num_frames, self.frame_stride, view, num_views)
        return frame_indices(start, available, self.num_frames, self.frame_stride)

    def _fitted(self, frames: tf.Tensor, scales: tf.Tensor | None = None) -> tf.Tensor:
        """A view's decoded window [T, H, W, 3], of `crop_size` unless it was cut at a scale."""
        if scales is not None:
            # Smoothed where it shrinks, as the authors' PIL does; without, every fifth pixel of 136 would be skipped.
            resized = tf.image.resize(frames, [self.crop_size, self.crop_size], antialias=True)
            frames = tf.saturate_cast(tf.round(resized), tf.uint8)
        return tf.ensure_shape(frames, self.clip_shape)


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


def frame_indices(start: tf.Tensor, available: tf.Tensor, num_frames: int, frame_stride: tf.Tensor | int) -> tf.Tensor:
    """int32 [num_frames]: the drawn frames; past the end the clip is looped."""
    return (start + frame_stride * tf.range(num_frames)) % available


def random_window(height: tf.Tensor, width: tf.Tensor, size: tf.Tensor | int, uniforms: tf.Tensor) -> tf.Tensor:
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
