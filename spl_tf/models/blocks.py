"""The pieces of a 3D residual network: normalized convolutions and the two kinds of residual block."""

import dataclasses
from collections.abc import Sequence

import keras
from keras import layers

from spl_tf.input_range import normalized
from spl_tf.models.gating import SelfGating
from spl_tf.models.layers import ClipConv3D, InnerMaxPooling3D, SamePadding, SymmetricPadding
from spl_tf.models.normalization import FusedBatchNorm
from spl_tf.models.options import Size
from spl_tf.models.style import Style

# He et al. 2015, over the outgoing connections as in the residual networks of Caffe2 and torchvision.
HE_NORMAL = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


@dataclasses.dataclass(frozen=True)
class ResidualBlock:
    """One residual block.

    Attributes:
      name: prefix of its layers' names.
      filters: channels of the 3x3 convolutions.
      temporal_kernel: 1 or an odd number of frames.
      stride: spatial stride of the block.
      branch_gate: gate at the end of the residual branch.
      stride_in: the convolution of a bottleneck that has the stride, "3x3" or
        "1x1", the first; of a basic block it is the first.
    """

    name: str
    filters: int
    temporal_kernel: int
    stride: int
    branch_gate: bool
    stride_in: str = "3x3"


def bottleneck_block(x, block: ResidualBlock, style: Style):
    """1x1, 3x3, 1x1 with four times the channels at the end; "3x1x1 inflation" of Wang et al. 2018.

    [B, T, H, W, C] -> [B, T, ceil(H / stride), ceil(W / stride), 4 * filters]

        x --> kt x 1 x 1 --> 1 x 3 x 3, stride --> 1 x 1 x 1 -(-> gate)-> + --> ReLU
          \\--> identity, or 1 x 1 x 1, stride -------------------------/
    """
    name, strides = block.name, (1, block.stride, block.stride)
    first, second = ((1, 1, 1), strides) if block.stride_in == "3x3" else (strides, (1, 1, 1))
    y = convolution(x, block.filters, (block.temporal_kernel, 1, 1), first, style, f"{name}_conv1")
    y = relu(y, f"{name}_relu1")
    y = convolution(y, block.filters, (1, 3, 3), second, style, f"{name}_conv2")
    y = relu(y, f"{name}_relu2")
    y = convolution(y, 4 * block.filters, (1, 1, 1), (1, 1, 1), style, f"{name}_conv3", zero_gamma=True)
    return add_shortcut(x, _branch_gate(y, block, style), strides, style, name)


def basic_block(x, block: ResidualBlock, style: Style):
    """Two 3x3 convolutions, both with the block's temporal kernel.

    [B, T, H, W, C] -> [B, T, ceil(H / stride), ceil(W / stride), filters]

        x --> kt x 3 x 3, stride --> kt x 3 x 3 -(-> gate)-> + --> ReLU
          \\--> identity, or 1 x 1 x 1, stride --------------/
    """
    name, strides = block.name, (1, block.stride, block.stride)
    kernel = (block.temporal_kernel, 3, 3)
    y = convolution(x, block.filters, kernel, strides, style, f"{name}_conv1")
    y = relu(y, f"{name}_relu1")
    y = convolution(y, block.filters, kernel, (1, 1, 1), style, f"{name}_conv2", zero_gamma=True)
    return add_shortcut(x, _branch_gate(y, block, style), strides, style, name)


def _branch_gate(y, block: ResidualBlock, style: Style):
    return gate(y, style, f"{block.name}_gate") if block.branch_gate else y


def add_shortcut(x, y, strides: Size, style: Style, name: str):
    """ReLU of a residual branch y of strides `strides` plus x, projected where their shapes differ (type B)."""
    if max(strides) > 1 or x.shape[-1] != y.shape[-1]:
        x = convolution(x, y.shape[-1], (1, 1, 1), strides, style, f"{name}_shortcut")
    return relu(layers.Add(name=f"{name}_add")([x, y]), f"{name}_out")


def convolution(
    x,
    filters: int,
    kernel: Size,
    strides: Size,
    style: Style,
    name: str,
    *,
    zero_gamma: bool = False,
    initializer: keras.Initializer = HE_NORMAL,
    use_bias: bool = False,
    border_color: Sequence[float] | None = None,
):
    """Convolution and batch normalization `<name>_bn`; folded: one convolution with bias.

    Args:
      zero_gamma: the scale of the normalization starts at zero, so that a new
        residual block is the identity (Wang et al. 2018, section 4).
      use_bias: a bias that the normalization takes away again, for networks whose weights have one.
      border_color: red, green and blue in 0..255 around the clip instead of zeros.

    Raises:
      UserError: `border_color` has not three numbers.
    """
    use_bias = use_bias or style.folded
    x = plain_convolution(
        x, filters, kernel, strides, style, name, initializer=initializer, use_bias=use_bias, border_color=border_color
    )
    if style.folded:
        return x
    return FusedBatchNorm(
        *style.normalization,
        gamma_initializer="zeros" if zero_gamma else "ones",
        synchronized=style.synchronized_bn,
        name=f"{name}_bn",
    )(x)


def plain_convolution(
    x,
    filters: int,
    kernel: Size,
    strides: Size,
    style: Style,
    name: str,
    *,
    initializer: keras.Initializer,
    use_bias: bool = True,
    border_color: Sequence[float] | None = None,
):
    """Convolution without normalization, the same in the folded form; arguments as of `convolution`."""
    border = None if border_color is None else normalized(border_color)
    x, keras_padding = _pad(x, kernel, strides, style, name, border)
    return ClipConv3D(
        filters,
        kernel,
        strides,
        padding=keras_padding,
        use_bias=use_bias,
        kernel_initializer=initializer.clone(),  # One object draws the same numbers again.
        kernel_regularizer=coupled_decay(style.weight_decay),
        name=name,
    )(x)


def max_pool(x, kernel: Size, strides: Size, style: Style, name: str, *, padded: bool = True):
    """Maximum over windows of `kernel`; zeros as padding are harmless after a ReLU.

    Args:
      padded: False keeps all windows inside the clip. With symmetric padding a
        window of even length is never padded, as in Caffe2 and PyTorch.

    Which values of a window get the gradient is the kernel's choice. On CPUs (2.21) compiled code has oneDNN's, in
    float32 and where the processor has it in bfloat16: the first of the largest. TensorFlow's own kernel, in eager
    code and wherever oneDNN does not run, gives all of it to every value within 1e-5 of the largest.
    """
    if not padded:
        return InnerMaxPooling3D(kernel, strides, name=name)(x)
    x, keras_padding = _pad(x, kernel, strides, style, name)
    if keras_padding == "valid" and any(size % 2 == 0 for size in kernel):
        return InnerMaxPooling3D(kernel, strides, name=name)(x)
    return layers.MaxPooling3D(kernel, strides, padding=keras_padding, name=name)(x)


def _pad(x, kernel: Size, strides: Size, style: Style, name: str, border: Sequence[float] | None = None):
    """Explicit zeros where Keras' "same" would pad less before than after; returns x and Keras' padding."""
    if style.padding == "same" and border is not None:
        return SamePadding(kernel, strides, border, name=f"{name}_pad")(x), "valid"
    if style.padding == "same" or (border is None and max(strides) == 1):
        return x, "same"
    frames, height, width = ((size - 1) // 2 for size in kernel)
    if frames or height or width:
        x = SymmetricPadding((frames, height, width), border, name=f"{name}_pad")(x)
    return x, "valid"


def gate(x, style: Style, name: str):
    return SelfGating(style.gate_bias, kernel_regularizer=coupled_decay(style.weight_decay), name=name)(x)


def relu(x, name: str):
    return layers.ReLU(name=name)(x)


def coupled_decay(weight_decay: float) -> keras.Regularizer | None:
    """Regularizer whose gradient is weight_decay * w, as `weight_decay` of Caffe2 and PyTorch SGD."""
    return keras.regularizers.L2(weight_decay / 2) if weight_decay else None
