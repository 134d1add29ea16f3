"""Non-local blocks: every position of a clip looks at all others (Wang et al., CVPR 2018)."""

import math
from collections.abc import Sequence

import gin
import keras
import tensorflow as tf
from keras import layers

from spl_tf.errors import UserError
from spl_tf.models import blocks
from spl_tf.models.options import require_choice
from spl_tf.models.style import Style

_ONE = (1, 1, 1)
_KERNELS = ("embedded_gaussian", "dot_product")


@gin.configurable
def non_local_block(
    x, style: Style, name: str, *, kernel: str = "embedded_gaussian", scale: bool = True, pool_keys: bool = True
):
    """Adds to a feature map what each of its positions gathers from all positions.

    [B, T, H, W, C] -> [B, T, H, W, C]

        x -------------------> theta, C / 2 -\\
          \\-> 1 x 2 x 2 max --> phi, C / 2 ---> attention --> out, C --> normalization --> + x
                         \\----> g, C / 2 ----/

    theta, phi, g and out are 1x1x1 convolutions with bias, at first normal of
    deviation 0.01. The scale of the normalization starts at zero, so that a new
    block is the identity and may be put into a trained network.

    Args:
      x: at odd sizes the last row and column are no keys after the pooling, as
        in the authors' code.
      style: of the network.
      name: prefix of the layers' names.
      kernel: "embedded_gaussian" weights positions by softmax(theta phi^T),
        "dot_product" by theta phi^T / number of keys.
      scale: theta phi^T / sqrt(C / 2) before the softmax, as the authors' code
        does; their paper's equations have no scale. Not used by "dot_product".
      pool_keys: the maximum pooling before phi and g ("subsampling trick").

    Raises:
      UserError: `kernel` is not one of the two.
    """
    require_choice("non_local_block.kernel", kernel, _KERNELS)
    channels, deviation = x.shape[-1], keras.initializers.RandomNormal(stddev=0.01)

    def embed(features, part: str):
        part = f"{name}_{part}"
        return blocks.plain_convolution(features, channels // 2, _ONE, _ONE, style, part, initializer=deviation)

    keys = blocks.max_pool(x, (1, 2, 2), (1, 2, 2), style, f"{name}_pool", padded=False) if pool_keys else x
    y = NonLocalAttention(kernel, scale, name=f"{name}_attention")(
        [embed(x, "theta"), embed(keys, "phi"), embed(keys, "g")]
    )
    y = blocks.convolution(
        y, channels, _ONE, _ONE, style, f"{name}_out", zero_gamma=True, initializer=deviation, use_bias=True
    )
    return layers.Add(name=f"{name}_add")([x, y])


@keras.saving.register_keras_serializable(package="spl_tf")
class NonLocalAttention(layers.Layer):
    """What every query gathers from all keys' values.

    [theta [B, T, H, W, C], phi [B, T', H', W', C], g [B, T', H', W', C]] -> [B, T, H, W, C].

    The softmax is computed in float32; its memory grows with T H W x T' H' W',
    that of the dot product with T H W only.

    Args:
      kernel, scale: see `non_local_block`.
    """

    def __init__(self, kernel: str = "embedded_gaussian", scale: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.kernel = kernel
        self.scale = scale

    def call(self, inputs):
        theta, phi, g = inputs
        batch, channels = tf.shape(theta)[0], theta.shape[-1]
        queries, keys, values = (tf.reshape(positions, [batch, -1, channels]) for positions in (theta, phi, g))
        if self.kernel == "dot_product":
            # theta (phi^T g), a C x C matrix between, is the same as (theta phi^T) g.
            number = tf.cast(tf.shape(keys)[1], keys.dtype)
            gathered = tf.matmul(queries, tf.matmul(keys, values / number, transpose_a=True))
        else:
            # Without a scale too the product, which float16 ends at 65,504, is taken of smaller queries: by a power of
            # two, which rounds nothing.
            factor = channels**-0.5 if self.scale else 2.0 ** -round(math.log2(channels) / 2)
            logits = tf.cast(tf.matmul(queries * factor, keys, transpose_b=True), tf.float32)
            weights = tf.nn.softmax(logits if self.scale else logits / factor)
            gathered = tf.matmul(tf.cast(weights, values.dtype), values)
        return tf.ensure_shape(tf.reshape(gathered, tf.shape(theta)), theta.shape)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "kernel": self.kernel, "scale": self.scale}


def placement(wanted: int | Sequence[Sequence[int]], block_counts: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Numbers, from 1, of the residual blocks that a non-local block follows, one tuple per stage res2 to res5.

    Args:
      wanted: 0; 1, before the last block of res4; 5, after every other block of
        res3 and res4 (of depth 101: after blocks 7, 14 and 21 of res4); 10,
        after every block of res3 and res4; or the numbers themselves.
      block_counts: residual blocks in res2 to res5.

    Raises:
      UserError: the network has no such blocks, or no such placement is known.
    """
    _, res3, res4, _ = block_counts
    if wanted == 0:
        return ((), (), (), ())
    if wanted == 1 and res4 > 1:
        return ((), (), (res4 - 1,), ())
    if wanted == 5 and res3 == 4 and res4 in (6, 23):
        return ((), (2, 4), (2, 4, 6) if res4 == 6 else (7, 14, 21), ())
    if wanted == 10 and res3 + res4 == 10:
        return ((), tuple(range(1, res3 + 1)), tuple(range(1, res4 + 1)), ())
    if isinstance(wanted, int) or len(wanted) != 4 or not _exist(wanted, block_counts):
        raise UserError(
            f"resnet3d.non_local = {wanted}: give 0, 1, 5 or 10 (5 and 10: depth 34 or 50, 5 also 101), "
            f"or for res2 to res5 the numbers of the blocks (there are {block_counts}) that a non-local block follows"
        )
    return tuple(tuple(stage) for stage in wanted)


def _exist(wanted: Sequence[Sequence[int]], block_counts: tuple[int, ...]) -> bool:
    stages = zip(wanted, block_counts, strict=True)
    return all(1 <= number <= count for numbers, count in stages for number in numbers)
