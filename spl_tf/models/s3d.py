"""S3D and S3D-G: Inception with separable convolutions and feature gating (Xie et al., ECCV 2018)."""

import gin
import keras
from keras import layers

from spl_tf.models import blocks
from spl_tf.models.options import Size, require_choice, scaled
from spl_tf.models.style import Style, style_of_network

# Channels of the four branches of an Inception block: 1x1; 1x1 and 3x3; 1x1 and 3x3; pooling and 1x1.
_MIXED = {
    "3b": (64, (96, 128), (16, 32), 32),
    "3c": (128, (128, 192), (32, 96), 64),
    "4b": (192, (96, 208), (16, 48), 64),
    "4c": (160, (112, 224), (24, 64), 64),
    "4d": (128, (128, 256), (24, 64), 64),
    "4e": (112, (144, 288), (32, 64), 64),
    "4f": (256, (160, 320), (32, 128), 128),
    "5b": (256, (160, 320), (32, 128), 128),
    "5c": (384, (192, 384), (48, 128), 128),
}
_NORMAL = keras.initializers.TruncatedNormal(stddev=0.01)


@gin.configurable(denylist=["style", "folded"])
def s3d(
    *,
    gating: str = "none",
    gate_bias: bool = False,
    form: str = "slim",
    separable: bool = True,
    stem_frames: int | None = None,
    width_multiplier: float = 1.0,
    style: Style | None = None,
    folded: bool = False,
    name: str = "s3d",
) -> keras.Model:
    """S3D, with `gating` S3D-G, and without separable convolutions I3D.

    Sizes for 64 frames of 224 x 224 pixels; any others will do:

        stem       3 x 7 x 7, stride 2                                    32 x 112 x 112 x 64
        pool2      maximum of 1 x 3 x 3, stride 1, 2, 2                   32 x 56 x 56 x 64
        conv2b     1 x 1 x 1                                              32 x 56 x 56 x 64
        conv2c     separable 3 x 3 x 3                                    32 x 56 x 56 x 192
        pool3      maximum of 1 x 3 x 3, stride 1, 2, 2                   32 x 28 x 28 x 192
        mixed_3b, mixed_3c                                                32 x 28 x 28 x 480
        pool4      maximum of 3 x 3 x 3, stride 2                         16 x 14 x 14 x 480
        mixed_4b to mixed_4f                                              16 x 14 x 14 x 832
        pool5      maximum of 2 x 2 x 2, stride 2                         8 x 7 x 7 x 832
        mixed_5b, mixed_5c                                                8 x 7 x 7 x 1024

    A separable 3 x 3 x 3 convolution is `<name>_spatial`, 1 x 3 x 3, and
    `<name>_temporal`, 3 x 1 x 1, the identity at first, each with ReLU.

    Args:
      gating: "none" is S3D. "branch" gates conv2c and what leaves each of the
        four branches of a block, as the authors' code in TF slim; "temporal"
        only where a temporal convolution precedes, as their text says.
      gate_bias: whether the gates have a bias; slim has none.
      form: "slim", the authors' code: padding as in TensorFlow, the stem one
        convolution, temporal convolutions with bias instead of normalization.
        "torchvision" (`torchvision.models.video.s3d`): symmetric padding, the
        stem separable too, all convolutions normalized. (Normalizations in
        slim have no scale; here they do in both forms.)
      separable: False keeps every 3 x 3 x 3 convolution whole. With stem_frames 7
        that is I3D (Carreira and Zisserman, CVPR 2017), of the SPL paper's table 3.
      stem_frames: temporal kernel of the stem; None is 3 for slim, whose authors
        found it better than the 7 of their paper, and 7 for torchvision.
        In bfloat16 on a CPU, train the form "slim" on at least as many frames.
      width_multiplier: scales the channels, to multiples of 8.
      style: as in `resnet3d`. Momentum and epsilon of the normalizations are slim's, 0.999 and 1e-3, unless it
        says otherwise; slim's weight decay is 1e-7.
      folded: the inference form without normalization; see `folding`.
      name: of the model.

    Returns:
      A model from clips [B, T, H, W, 3] to feature maps [B, T/8, H/32, W/32, C]
      in the compute dtype, sizes rounded up (the last halving of torchvision
      down, to at least one), C = 1024 at width 1.

    Raises:
      UserError: an option has a value that is not listed here.
    """
    require_choice("s3d.gating", gating, ("none", "branch", "temporal"))
    require_choice("s3d.form", form, ("slim", "torchvision"))
    slim = form == "slim"
    padding = "same" if slim else "symmetric"
    style = style_of_network(
        style, bn_momentum=0.999, bn_epsilon=1e-3, padding=padding, gate_bias=gate_bias, folded=folded
    )
    pieces = _Pieces(style, gating, width_multiplier, separable, normalized_in_time=not slim)
    stem_kernel = (stem_frames or (3 if slim else 7), 7, 7)

    clips = keras.Input((None, None, None, 3), name="clips")
    stem = pieces.convolution if slim else pieces.spatiotemporal
    x = stem(clips, 64, stem_kernel, (2, 2, 2), "stem")
    x = blocks.max_pool(x, (1, 3, 3), (1, 2, 2), style, "pool2")
    x = pieces.convolution(x, 64, (1, 1, 1), (1, 1, 1), "conv2b")
    x = pieces.gate(pieces.spatiotemporal(x, 192, (3, 3, 3), (1, 1, 1), "conv2c"), "conv2c", temporal=True)
    x = blocks.max_pool(x, (1, 3, 3), (1, 2, 2), style, "pool3")
    for block, channels in _MIXED.items():
        if block == "4b":
            x = blocks.max_pool(x, (3, 3, 3), (2, 2, 2), style, "pool4")
        if block == "5b":
            x = blocks.max_pool(x, (2, 2, 2), (2, 2, 2), style, "pool5")
        x = pieces.mixed(x, channels, f"mixed_{block}")
    return keras.Model(clips, x, name=name)


class _Pieces:
    """Convolutions, gates and Inception blocks of one network."""

    def __init__(self, style: Style, gating: str, width_multiplier: float, separable: bool, normalized_in_time: bool):
        self._style = style
        self._gating = gating
        self._width_multiplier = width_multiplier
        self._separable = separable
        self._normalized_in_time = normalized_in_time

    def mixed(self, x, channels: tuple, name: str):
        """Four branches side by side, [B, T, H, W, C] -> [B, T, H, W, sum of the branches]."""
        first, second, third, last = channels
        pooled = blocks.max_pool(x, (3, 3, 3), (1, 1, 1), self._style, f"{name}_branch3_pool")
        branches = [
            self._branch_1x1(x, first, f"{name}_branch0"),
            self._branch_3x3(x, second, f"{name}_branch1"),
            self._branch_3x3(x, third, f"{name}_branch2"),
            self._branch_1x1(pooled, last, f"{name}_branch3"),
        ]
        return layers.Concatenate(name=name)(branches)

    def _branch_1x1(self, x, filters: int, name: str):
        return self.gate(self.convolution(x, filters, (1, 1, 1), (1, 1, 1), name), name, temporal=False)

    def _branch_3x3(self, x, filters: tuple[int, int], name: str):
        x = self.convolution(x, filters[0], (1, 1, 1), (1, 1, 1), f"{name}_reduce")
        return self.gate(self.spatiotemporal(x, filters[1], (3, 3, 3), (1, 1, 1), name), name, temporal=True)

    def convolution(self, x, filters: int, kernel: Size, strides: Size, name: str):
        """Convolution, normalization, ReLU."""
        filters = scaled(filters, self._width_multiplier)
        x = blocks.convolution(x, filters, kernel, strides, self._style, name, initializer=_NORMAL)
        return blocks.relu(x, f"{name}_relu")

    def spatiotemporal(self, x, filters: int, kernel: Size, strides: Size, name: str):
        """Space, then time with as many channels; or both at once."""
        if not self._separable:
            return self.convolution(x, filters, kernel, strides, name)
        x = self.convolution(x, filters, (1, *kernel[1:]), (1, *strides[1:]), f"{name}_spatial")
        convolve = blocks.convolution if self._normalized_in_time else blocks.plain_convolution
        kernel, strides, name = (kernel[0], 1, 1), (strides[0], 1, 1), f"{name}_temporal"
        x = convolve(x, x.shape[-1], kernel, strides, self._style, name, initializer=TemporalIdentity())
        return blocks.relu(x, f"{name}_relu")

    def gate(self, x, name: str, *, temporal: bool):
        """Feature gating where the network has it; `temporal` says whether x comes from a temporal convolution."""
        if self._gating == "branch" or (self._gating == "temporal" and temporal):
            return blocks.gate(x, self._style, f"{name}_gate")
        return x


@keras.saving.register_keras_serializable(package="spl_tf")
class TemporalIdentity(keras.initializers.Initializer):
    """Kernel [kt, 1, 1, C, C] of a temporal convolution that passes its input on: one at the middle frame."""

    def __call__(self, shape, dtype=None):
        frames, _, _, channels, _ = shape
        middle = keras.ops.one_hot(frames // 2, frames, dtype=dtype)
        return keras.ops.reshape(middle, (frames, 1, 1, 1, 1)) * keras.ops.eye(channels, dtype=dtype)
