"""Residual networks over images, which are clips of one frame: ResNet-18, 34, 50 and 101 (He et al. 2016)."""

from collections.abc import Sequence

import gin
import keras

from spl_tf.models import blocks
from spl_tf.models.blocks import ResidualBlock
from spl_tf.models.options import require_choice, scaled
from spl_tf.models.resnet3d import DEPTHS
from spl_tf.models.style import Style, style_of_network

# Form: the convolution of a bottleneck block that halves the size.
FORMS = {"v1.5": "3x3", "v1": "1x1"}
STEMS = ("imagenet", "small")


@gin.configurable(denylist=["style", "folded"])
def resnet2d(
    depth: int = 50,
    *,
    form: str = "v1.5",
    stem: str = "imagenet",
    width_multiplier: float = 1.0,
    padding: str = "symmetric",
    border_color: Sequence[float] | None = None,
    style: Style | None = None,
    folded: bool = False,
    name: str = "resnet2d",
) -> keras.Model:
    """ResNet, frame by frame: no layer looks from one frame to another.

    Height and width of the maps, which are square here; any others will do:

                                                    "imagenet"     "small"
        clip                                         224    64     96    32    x 3
        stem_conv  7 x 7, stride 2; small: 3 x 3     112    32     96    32    x 64
        stem_pool  maximum of 3 x 3, stride 2         56    16      -     -    x 64
        res2       3 blocks (depth 18: 2)             56    16     96    32    x 256 (depths below 50: 64)
        res3       4 blocks (2), first stride 2       28     8     48    16    x 512 (128)
        res4       6 blocks (2), first stride 2       14     4     24     8    x 1024 (256)
        res5       3 blocks (2), first stride 2        7     2     12     4    x 2048 (512)

    The blocks are those of `resnet3d` with temporal kernels of 1, and so are the
    names of all layers and the shapes of all weights but the small stem's: weights
    go from the one to the other by `transfer`, and `inflation` gives them frames.
    Shortcuts are projections where shapes differ (type B). The scale of the last
    normalization of a block starts at zero.

    Args:
      depth: 18 or 34 (basic blocks), 50 or 101 (bottleneck blocks); 10, one
        block per stage, is for machines without an accelerator.
      form: where a bottleneck block halves the size: "v1.5" in its 3x3
        convolution, as torchvision, or "v1" in its first 1x1, as He et al., Caffe
        and keras.applications. The weights have the same shapes; those of one form
        compute something else in the other until they are trained on. Basic blocks
        have one form only, which goes by "v1.5".
      stem: "imagenet", or "small" without pooling, for images of 32 to 96 pixels.
        On the same image the small one makes res2 to res5 16 times as expensive.
      width_multiplier: scales the 64 channels of the stem, to a multiple of 8,
        and all others with them.
      padding: of strided layers, "symmetric" as torchvision and keras.applications, or
        "same" as TensorFlow, which pads less before than after at even sizes.
      border_color: red, green and blue in 0..255 around the image, for the stem, as
        in `resnet3d`; (123.68, 116.779, 103.939) for weights of keras.applications.
      style: normalization and weight decay, of `network_style`; None is what the configuration says.
      folded: the inference form without normalization; see `folding`.
      name: of the model.

    Returns:
      A model from clips [B, T, H, W, 3], T = 1 for images, to feature maps
      [B, T, H/32, W/32, C] (small stem [B, T, H/8, W/8, C]) in the compute dtype,
      sizes rounded up, C = 2048 for bottleneck and 512 for basic blocks at width 1.

    Raises:
      UserError: an option has a value that is not listed here.
    """
    require_choice("resnet2d.depth", depth, DEPTHS)
    require_choice("resnet2d.form", form, FORMS if depth >= 50 else ("v1.5",))
    require_choice("resnet2d.stem", stem, STEMS)
    require_choice("resnet2d.padding", padding, ("symmetric", "same"))
    make_block, block_counts = DEPTHS[depth]
    style = style_of_network(style, padding=padding, folded=folded)
    filters = scaled(64, width_multiplier)

    clips = keras.Input((None, None, None, 3), name="clips")
    kernel, strides = ((1, 7, 7), (1, 2, 2)) if stem == "imagenet" else ((1, 3, 3), (1, 1, 1))
    x = blocks.convolution(clips, filters, kernel, strides, style, "stem_conv", border_color=border_color)
    x = blocks.relu(x, "stem_relu")
    if stem == "imagenet":
        x = blocks.max_pool(x, (1, 3, 3), (1, 2, 2), style, "stem_pool")
    for stage, block_count in enumerate(block_counts, start=2):
        for number in range(1, block_count + 1):
            block = ResidualBlock(
                name=f"res{stage}_block{number}",
                filters=filters * 2 ** (stage - 2),
                temporal_kernel=1,
                stride=2 if stage > 2 and number == 1 else 1,
                branch_gate=False,
                stride_in=FORMS[form],
            )
            x = make_block(x, block, style)
    return keras.Model(clips, x, name=name)
