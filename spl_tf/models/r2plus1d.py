"""R3D and R(2+1)D of depth 18 and 34 as others define them: Hara et al. 2018 and torchvision."""

from collections.abc import Callable, Sequence

import gin
import keras

from spl_tf.models import blocks
from spl_tf.models.options import Size, require_choice, scaled
from spl_tf.models.style import Style, style_of_network

# Residual blocks in res2, res3, res4, res5.
DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
FORMS = ("hara", "torchvision")


@gin.configurable(denylist=["style", "folded"])
def r3d(
    depth: int = 18,
    *,
    form: str = "hara",
    width_multiplier: float = 1.0,
    border_color: Sequence[float] | None = None,
    style: Style | None = None,
    folded: bool = False,
    name: str = "r3d",
) -> keras.Model:
    """R3D: basic blocks of two 3 x 3 x 3 convolutions; time shrinks with space.

    Sizes for 16 frames of 112 x 112 pixels, any others will do; "torchvision", which has
    no pooling, is twice as large in time, height and width from res2 on:

        stem_conv  hara: 7 x 7 x 7, torchvision: 3 x 7 x 7; stride 1, 2, 2     16 x 56 x 56 x 64
        stem_pool  hara only: maximum of 3 x 3 x 3, stride 2                    8 x 28 x 28 x 64
        res2       2 blocks (depth 34: 3)                                       8 x 28 x 28 x 64
        res3       2 blocks (4), first stride 2 in time, height and width       4 x 14 x 14 x 128
        res4       2 blocks (6), first stride 2                                 2 x 7 x 7 x 256
        res5       2 blocks (3), first stride 2                                 1 x 4 x 4 x 512

    Shortcuts are projections (type B), padding is symmetric, all scales of
    normalizations start at one. Names of layers are those of `resnet3d`.

    Args:
      depth: 18 or 34.
      form: "hara" (github.com/kenshohara/3D-ResNets-PyTorch) or "torchvision"
        (`torchvision.models.video.r3d_18`), whose lack of a pooling makes it
        about eight times as expensive.
      width_multiplier: scales the channels, to multiples of 8.
      border_color: red, green and blue in 0..255 around the clip, for the stem, as in `resnet3d`. (0.5, 0.5, 0.5) is
        what zeros are in NoisyActions2M's code, whose input is 2 x - 1 for x in 0..255: a network that begins with the
        same weights then learns the same, as normalization takes scale and shift away.
      style: normalization and weight decay, of `network_style`; None is what the configuration says.
      folded: the inference form without normalization; see `folding`.
      name: of the model.

    Returns:
      A model from clips [B, T, H, W, 3] to feature maps [B, T/16, H/32, W/32, C]
      (torchvision [B, T/8, H/16, W/16, C]) in the compute dtype, sizes rounded
      up, C = 512 at width 1.

    Raises:
      UserError: an option has a value that is not listed here.
    """
    _require_known("r3d", depth, form)
    style = style_of_network(style, folded=folded)
    filters = scaled(64, width_multiplier)

    def stem(clips):
        kernel = (7 if form == "hara" else 3, 7, 7)
        return blocks.convolution(clips, filters, kernel, (1, 2, 2), style, "stem_conv", border_color=border_color)

    def branch(x, filters: int, strides: Size, name: str):
        y = blocks.convolution(x, filters, (3, 3, 3), strides, style, f"{name}_conv1")
        y = blocks.relu(y, f"{name}_relu1")
        return blocks.convolution(y, filters, (3, 3, 3), (1, 1, 1), style, f"{name}_conv2")

    return _network(stem, branch, filters, depth, form, style, name)


@gin.configurable(denylist=["style", "folded"])
def r2plus1d(
    depth: int = 18,
    *,
    form: str = "hara",
    width_multiplier: float = 1.0,
    border_color: Sequence[float] | None = None,
    style: Style | None = None,
    folded: bool = False,
    name: str = "r2plus1d",
) -> keras.Model:
    """R(2+1)D: `r3d` with every convolution factored into space and time (Tran et al., CVPR 2018).

        x --> 1 x k x k, M --> normalization, ReLU --> kt x 1 x 1, C

    M is such that both have about as many weights as the convolution they
    replace: floor(27 Cin C / (9 Cin + 3 C)) in the blocks. The spatial stride is
    on the first, the temporal stride on the second.

    Args:
      depth, border_color, style, folded, name: as in `r3d`.
      form: "hara" computes M for each convolution; its stem is 1 x 7 x 7, 110
        and 7 x 1 x 1, 64, then a maximum pooling. "torchvision"
        (`torchvision.models.video.r2plus1d_18`) computes M once per block, from
        the channels of its first convolution; its stem is 1 x 7 x 7, 45 and
        3 x 1 x 1, 64, without pooling. VMZ, the Caffe2 code of the paper, has yet
        another M where a block halves the size, and an epsilon of 1e-3 in its normalizations.
      width_multiplier: scales all channels but M, to multiples of 8.

    Returns:
      A model from clips to feature maps, of the sizes of `r3d`.

    Raises:
      UserError: an option has a value that is not listed here.
    """
    _require_known("r2plus1d", depth, form)
    style = style_of_network(style, folded=folded)
    filters = scaled(64, width_multiplier)

    def factored(x, middle: int, filters: int, kernel: Size, strides: Size, name: str, **options):
        x = blocks.convolution(x, middle, (1, *kernel[1:]), (1, *strides[1:]), style, f"{name}_spatial", **options)
        x = blocks.relu(x, f"{name}_spatial_relu")
        return blocks.convolution(x, filters, (kernel[0], 1, 1), (strides[0], 1, 1), style, f"{name}_temporal")

    def stem(clips):
        kernel = (7 if form == "hara" else 3, 7, 7)
        middle = middle_channels(3, filters, kernel) if form == "hara" else 45 * filters // 64
        return factored(clips, middle, filters, kernel, (1, 2, 2), "stem_conv", border_color=border_color)

    def branch(x, filters: int, strides: Size, name: str):
        first = second = middle_channels(x.shape[-1], filters, (3, 3, 3))
        if form == "hara":
            second = middle_channels(filters, filters, (3, 3, 3))
        y = factored(x, first, filters, (3, 3, 3), strides, f"{name}_conv1")
        y = blocks.relu(y, f"{name}_relu1")
        return factored(y, second, filters, (3, 3, 3), (1, 1, 1), f"{name}_conv2")

    return _network(stem, branch, filters, depth, form, style, name)


def middle_channels(inputs: int, outputs: int, kernel: Size) -> int:
    """M, the channels between the halves of a factored convolution (Tran et al., CVPR 2018, section 3.5)."""
    frames, height, width = kernel
    return inputs * outputs * frames * height * width // (inputs * height * width + outputs * frames)


def _network(
    stem: Callable, branch: Callable, filters: int, depth: int, form: str, style: Style, name: str
) -> keras.Model:
    """Stem, pooling and stages; `branch(x, filters, strides, name)` is the residual branch of a block."""
    clips = keras.Input((None, None, None, 3), name="clips")
    x = blocks.relu(stem(clips), "stem_relu")
    if form == "hara":
        x = blocks.max_pool(x, (3, 3, 3), (2, 2, 2), style, "stem_pool")
    for stage, block_count in enumerate(DEPTHS[depth], start=2):
        for number in range(1, block_count + 1):
            block = f"res{stage}_block{number}"
            strides = (2, 2, 2) if stage > 2 and number == 1 else (1, 1, 1)
            y = branch(x, filters * 2 ** (stage - 2), strides, block)
            x = blocks.add_shortcut(x, y, strides, style, block)
    return keras.Model(clips, x, name=name)


def _require_known(builder: str, depth: int, form: str) -> None:
    require_choice(f"{builder}.depth", depth, DEPTHS)
    require_choice(f"{builder}.form", form, FORMS)
