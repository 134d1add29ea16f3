"""When the views of a clip begin: drawn from its length alone, before any decoding.

A stage's objective names one of these. Like all chance of a clip, a draw is a function of
(seed, epoch, clip id): see `augmentation.draw_key`.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import tensorflow as tf

from spl_tf.data.input.views import ViewShape, random_start, scaled, slack
from spl_tf.errors import UserError

_INT32 = 2**31 - 1


class Drawn(NamedTuple):
    """When the views of a clip begin.

    Attributes:
      starts: int32 [V], first frame of every view; the frames after it are those of `views.frame_indices`.
      carried: what the objective needs to know of the draw, in the batch under these names.
      strides: int32 [V], distance of the frames of every view; None for that of the shape.
    """

    starts: tf.Tensor
    carried: dict[str, tf.Tensor]
    strides: tf.Tensor | None = None


class ViewSampler(Protocol):
    """Draws the views of a clip."""

    @property
    def num_views(self) -> int:
        """V."""

    @property
    def spread(self) -> int:
        """Drawn frames from the beginning of the first view to that of the last; 0 where that is not fixed."""

    def draw(self, available: tf.Tensor, shape: ViewShape, firsts: tf.Tensor, key: tf.Tensor) -> Drawn:
        """The views of one clip.

        Args:
          available: int32 [], stored frames.
          shape: of a view.
          firsts: float32 [V] in [0, 1), one number a view.
          key: int64 [2], seed of all further numbers.
        """


@dataclasses.dataclass(frozen=True)
class RandomViews:
    """Views independent of each other, every start that fits equally likely."""

    num_views: int = 1
    spread = 0

    def draw(self, available: tf.Tensor, shape: ViewShape, firsts: tf.Tensor, key: tf.Tensor) -> Drawn:
        del key
        return Drawn(random_start(available, shape.num_frames, shape.frame_stride, firsts), {})


@dataclasses.dataclass(frozen=True)
class RandomSkips:
    """Views independent of each other, each at a stride of its own (the "random skips" of NoisyActions2M, section 5).

    The stride is uniform in [lowest, highest], but not above what T * stride <= stored frames allows, down to `lowest`;
    of n frames, the start is then uniform over the first max(1, n - T * stride), as in the authors' code. A clip of
    fewer than T * lowest frames begins at its first frame, and is looped where it ends; the authors double every frame
    of one that has fewer than T.

    Attributes:
      lowest, highest: stride in stored frames, in place of the shape's.
    """

    lowest: int
    highest: int
    num_views: int = 1
    spread = 0

    def draw(self, available: tf.Tensor, shape: ViewShape, firsts: tf.Tensor, key: tf.Tensor) -> Drawn:
        uniforms = tf.random.stateless_uniform([self.num_views], key, alg="philox")
        drawn = self.lowest + scaled(uniforms, self.highest - self.lowest + 1)
        strides = tf.maximum(tf.minimum(drawn, available // shape.num_frames), self.lowest)
        return Drawn(scaled(firsts, tf.maximum(available - shape.num_frames * strides, 1)), {}, strides)


def with_random_skips(views: ViewSampler, skips: Sequence[int]) -> RandomSkips:
    """As many views, each at a stride drawn from `skips`, the lowest and the highest.

    Raises:
      UserError: these are no range, or the moments of the views depend on each other.
    """
    lowest, highest = skips
    if not 1 <= lowest <= highest:
        raise UserError(f"training_clips.skips = {(lowest, highest)}: give (lowest, highest) from 1 upwards")
    if not isinstance(views, RandomViews):
        raise UserError(
            "training_clips.skips: the objective has a way of its own to draw views: bind it for other stages alone, "
            "e.g. pretrain/training_clips.skips"
        )
    return RandomSkips(lowest, highest, views.num_views)


@dataclasses.dataclass(frozen=True)
class TwoWindows:
    """Two windows whose distance has a density that falls linearly (CVRL, Qian et al., CVPR 2021, section 3.2).

    With m starts that fit, the distance d of the two has P(d < k) = 2 k / m - (k / m)^2: windows near each other are
    the likelier. The first begins anywhere the second still fits, and either may come first in the batch. In a clip
    that is shorter than a window, both begin anywhere, and it is looped.
    """

    num_views = 2
    spread = 0

    def draw(self, available: tf.Tensor, shape: ViewShape, firsts: tf.Tensor, key: tf.Tensor) -> Drawn:
        del firsts
        uniforms = tf.random.stateless_uniform([4], key, alg="philox")
        num_starts = slack(available, shape.num_frames, shape.frame_stride) + 1
        distance = falling_distance(num_starts, uniforms[0])
        first = scaled(uniforms[1], num_starts - distance)
        fits = available > (shape.num_frames - 1) * shape.frame_stride
        starts = tf.where(fits, tf.stack([first, first + distance]), scaled(uniforms[1:3], available))
        return Drawn(tf.where(uniforms[3] < 0.5, starts, starts[::-1]), {})


def falling_distance(num_starts: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """int32 in [0, m) with P(d < k) = 2 k / m - (k / m)^2 for m starts: the closed inverse m (1 - sqrt(1 - u))."""
    return scaled(1.0 - tf.sqrt(1.0 - uniform), num_starts)


@dataclasses.dataclass(frozen=True)
class ClipTuple:
    """Three clips at equal distances, of which the middle one may be replaced by a remote clip (VCP, VCOP).

    Times are in drawn frames, so that they hold at any `frame_stride`. A remote clip leaves at least a clip's length,
    16 frames of the papers, between itself and the tuple; before and after the tuple are equally likely where both
    have room. The authors' code takes none unless both have. A clip shorter than the tuple is looped from its first
    frame.

    Carried in the batch: "remote" bool, whether the middle clip is a remote one; "chance" float32 [2] in [0, 1) for
    what is done to the pixels; "negatives" int32 [num_negatives] from 0 to 2^31, whose remainder is a random clip.

    Attributes:
      clip_stride: from the first frame of a clip to the next one's.
      remote_share: how often the middle clip is a remote one where there is room for it.
      num_negatives: see above.
    """

    clip_stride: int
    remote_share: float
    num_negatives: int

    num_views = 3

    @property
    def spread(self) -> int:
        return 2 * self.clip_stride

    def draw(self, available: tf.Tensor, shape: ViewShape, firsts: tf.Tensor, key: tf.Tensor) -> Drawn:
        del firsts
        uniforms = tf.random.stateless_uniform([6], key, alg="philox")
        stride = self.clip_stride * shape.frame_stride
        clip_frames = (shape.num_frames - 1) * shape.frame_stride + 1
        tuple_frames = 2 * stride + clip_frames
        start = scaled(uniforms[0], tf.maximum(available - tuple_frames, 0) + 1)
        starts = start + stride * tf.range(3)
        distance = shape.num_frames * shape.frame_stride
        after = start + tuple_frames + distance
        places_before = tf.maximum(start - distance - clip_frames + 1, 0)
        places_after = tf.maximum(available - clip_frames - after + 1, 0)
        is_before = (places_before > 0) & ((uniforms[2] < 0.5) | (places_after == 0))
        moved = tf.where(is_before, scaled(uniforms[3], places_before), after + scaled(uniforms[3], places_after))
        is_remote = (uniforms[1] < self.remote_share) & (places_before + places_after > 0)
        negatives = tf.random.stateless_uniform(
            [self.num_negatives], key + tf.constant([0, 1], tf.int64), 0, _INT32, tf.int32, alg="philox"
        )
        return Drawn(
            tf.where(is_remote & (tf.range(3) == 1), moved, starts),
            {"remote": is_remote, "chance": uniforms[4:], "negatives": negatives},
        )
