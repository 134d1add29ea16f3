"""Compact generalized non-local blocks: positions and channels look at each other (Yue et al., NeurIPS 2018)."""

import gin
import keras
import tensorflow as tf
from keras import layers

from spl_tf.errors import UserError
from spl_tf.models import blocks
from spl_tf.models.style import Style

_ONE = (1, 1, 1)


@gin.configurable
def cgnl_block(x, style: Style, name: str, *, groups: int = 8, scale: bool = False):
    """The dot-product form, in groups of channels; for `resnet3d.non_local_block`.

    [B, T, H, W, C] -> [B, T, H, W, C]

        x --> theta, phi, g, C / 2 --> theta <phi, g> --> out, C, in groups --> group normalization --> + x

    The convolutions are 1x1x1 without bias, at first normal of deviation 0.01.
    The scale of the normalization starts at zero, so that a new block is the
    identity. It stays in the folded form: its statistics are those of the clip.

    Args:
      x: C / 2 is a multiple of `groups`.
      style: of the network.
      name: prefix of the layers' names.
      groups: of channels, each with a product <phi, g> of its own, which is
        summed over the group's channels and all positions.
      scale: divides the product by the square root of the number of its terms.

    Raises:
      UserError: `groups` does not divide C / 2.
    """
    channels, deviation = x.shape[-1], keras.initializers.RandomNormal(stddev=0.01)
    if channels % (2 * groups):
        raise UserError(f"cgnl_block.groups = {groups}: does not divide {channels // 2}, half the channels of {name}")

    def embed(part: str):
        part = f"{name}_{part}"
        return blocks.plain_convolution(
            x, channels // 2, _ONE, _ONE, style, part, initializer=deviation, use_bias=False
        )

    # From the product to the normalization in float32 under mixed precision: unscaled, the product grows with the
    # number of positions, and beyond the range of float16. The addition casts back.
    y = GroupAttention(groups, scale, dtype="float32", name=f"{name}_attention")(
        [embed("theta"), embed("phi"), embed("g")]
    )
    decay = blocks.coupled_decay(style.weight_decay)
    y = GroupedPointwise(channels, groups, kernel_regularizer=decay, dtype="float32", name=f"{name}_out")(y)
    y = layers.GroupNormalization(
        groups, epsilon=1e-5, gamma_initializer="zeros", dtype="float32", name=f"{name}_norm"
    )(y)
    return layers.Add(name=f"{name}_add")([x, y])


@keras.saving.register_keras_serializable(package="spl_tf")
class GroupAttention(layers.Layer):
    """theta <phi, g>, the product taken in each group of channels, over its channels and all positions.

    [theta, phi, g], each [B, T, H, W, C] -> [B, T, H, W, C]. All is computed in float32; the output has the layer's
    compute dtype, in whose range it must lie: that of float16 ends at 65,504.

    Args:
      groups, scale: see `cgnl_block`.
    """

    def __init__(self, groups: int = 8, scale: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.groups = groups
        self.scale = scale

    def call(self, inputs):
        theta, phi, g = (tf.cast(values, tf.float32) for values in inputs)
        products = tf.reduce_sum(phi * g, axis=[1, 2, 3])  # [B, C]
        size = theta.shape[-1] // self.groups
        products = tf.reduce_sum(tf.reshape(products, [-1, self.groups, size]), axis=2)
        if self.scale:
            products *= tf.math.rsqrt(tf.cast(size * tf.reduce_prod(tf.shape(theta)[1:4]), tf.float32))
        products = tf.repeat(products, size, axis=1)
        return tf.cast(theta * products[:, tf.newaxis, tf.newaxis, tf.newaxis, :], self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "groups": self.groups, "scale": self.scale}


@keras.saving.register_keras_serializable(package="spl_tf")
class GroupedPointwise(layers.Layer):
    """1x1x1 convolution in groups of channels, without bias; TensorFlow's has no gradient on CPUs.

    [B, T, H, W, C] -> [B, T, H, W, filters]; kernel [groups, C / groups, filters / groups].

    Args:
      filters: output channels.
      groups: divides C and `filters`.
      kernel_regularizer: weight decay of the kernel.
    """

    def __init__(
        self, filters: int, groups: int, kernel_regularizer: str | dict | keras.Regularizer | None = None, **kwargs
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.groups = groups
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.groups, input_shape[-1] // self.groups, self.filters // self.groups),
            initializer=keras.initializers.RandomNormal(stddev=0.01),
            regularizer=self.kernel_regularizer,
        )

    def call(self, inputs):
        shape = tf.shape(inputs)
        grouped = tf.reshape(inputs, [-1, self.groups, inputs.shape[-1] // self.groups])
        outputs = tf.einsum("pgc,gcf->pgf", grouped, tf.convert_to_tensor(self.kernel))
        outputs = tf.reshape(outputs, tf.concat([shape[:4], [self.filters]], axis=0))
        return tf.ensure_shape(outputs, self.compute_output_shape(inputs.shape))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "groups": self.groups,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
