"""R3D: residual networks over clips, with feature gating; the backbone of the SPL paper is depth 50."""

from collections.abc import Callable, Sequence

import gin
import keras

from spl_tf.errors import UserError
from spl_tf.models import blocks
from spl_tf.models.blocks import ResidualBlock
from spl_tf.models.non_local import non_local_block as default_non_local_block
from spl_tf.models.non_local import placement
from spl_tf.models.options import Size, require_choice, require_size, scaled
from spl_tf.models.style import Style, style_of_network

# Depth: kind of block, blocks in res2, res3, res4, res5.
DEPTHS = {
    10: (blocks.basic_block, (1, 1, 1, 1)),
    18: (blocks.basic_block, (2, 2, 2, 2)),
    34: (blocks.basic_block, (3, 4, 6, 3)),
    50: (blocks.bottleneck_block, (3, 4, 6, 3)),
    101: (blocks.bottleneck_block, (3, 4, 23, 3)),
}


@gin.configurable(denylist=["style", "folded"])
def resnet3d(
    depth: int = 50,
    *,
    width_multiplier: float = 1.0,
    temporal_kernels: Sequence[Sequence[int]] | None = None,
    res5_kernels: str = "table",
    gating: str = "stage",
    gate_position: str = "post_stage",
    gate_bias: bool = True,
    stem_kernel: Size = (5, 7, 7),
    stem_strides: Size = (1, 2, 2),
    pool_kernel: Size = (1, 3, 3),
    pool_strides: Size = (1, 2, 2),
    pad_pool: bool = True,
    pool2_kernel: Size | None = None,
    non_local: int | Sequence[Sequence[int]] = 0,
    non_local_block: Callable = default_non_local_block,
    padding: str = "symmetric",
    stride_in: str = "3x3",
    border_color: Sequence[float] | None = None,
    style: Style | None = None,
    folded: bool = False,
    name: str = "resnet3d",
) -> keras.Model:
    """Builds the backbone, by default R3D-50-G of the SPL paper (appendix A, table 7).

    Sizes for the paper's clip of 64 frames of 224 x 224 pixels; any number of
    frames and any size will do, time is kept throughout:

        clip                                          64 x 224 x 224 x 3
        stem_conv  5 x 7 x 7, stride 1, 2, 2          64 x 112 x 112 x 64
        stem_pool  maximum of 1 x 3 x 3, stride 2     64 x 56 x 56 x 64
        res2       3 blocks                  -> gate  64 x 56 x 56 x 256
        res3       4 blocks, first stride 2  -> gate  64 x 28 x 28 x 512
        res4       6 blocks, first stride 2  -> gate  64 x 14 x 14 x 1024
        res5       3 blocks, first stride 2  -> gate  64 x 7 x 7 x 2048

    R3D-50 (I3D-50) of Wang et al. 2018, the row "R3D-50" of the SPL paper's
    table 3, has gating = "none" and res5_kernels = "reference_code"; then

        8 frames                   pool2_kernel (2, 1, 1)
        32 frames                  the same, stem_strides (2, 2, 2), pool_kernel (2, 3, 3), pool_strides (2, 2, 2)
        with non-local blocks      the same, non_local 5

    These are the sizes of their paper; their released code has pad_pool = False,
    and decays biases too. C2D has 1 for all temporal kernels, also of the stem.

    Every layer has a fixed name (`res3_block2_conv1`, `res3_block2_conv1_bn`,
    `res3_block4_gate`), by which weights are transferred and folded.
    The numeric precision is Keras' global dtype policy at the time of the call.

    Args:
      depth: 10, 18 or 34 (basic blocks, two kt x 3 x 3 convolutions each), 50
        or 101 (bottleneck blocks). Depth 10, one block per stage, is for
        machines without an accelerator.
      width_multiplier: scales the 64 channels of the stem, to a multiple of 8,
        and all others with them.
      temporal_kernels: kt of every block, one sequence per stage, instead of
        table 7: 3 in all of res2, then 3 for the odd blocks of a stage and 1
        for the even ones.
      res5_kernels: "table" is table 7's rule, (3, 1, 3) for depth 50;
        "reference_code" is (1, 3, 1), as in the code of Wang et al. 2018 and TF
        Model Garden. Not used with `temporal_kernels`.
      gating: "stage" gates once per stage, "block" after every block, "none"
        never. The paper's text says "after each residual block", its table 7,
        whose column "Block" lists res2..res5, has one gate per stage.
      gate_position: "post_stage" gates what leaves the stage (or block), as
        table 7; "residual_branch" gates the last residual branch of the stage
        (or each branch) before the shortcut is added, as TF Model Garden.
      gate_bias: whether the gates have a bias.
      stem_kernel, stem_strides, pool_kernel, pool_strides: time, height, width.
        TF Model Garden has stem_strides (2, 2, 2), pool_kernel (3, 3, 3) and
        pool_strides (2, 2, 2).
      pad_pool: whether the pooling of the stem is padded: 56 x 56 after it, as
        in table 7. The Caffe2 code of Wang et al. does not pad: 55 x 55.
      pool2_kernel: window and stride of a pooling after res2, which halves time
        in Wang et al.; not padded.
      non_local: 1, 5 or 10 non-local blocks as in Wang et al., or the numbers of
        the residual blocks that one follows, per stage; see `non_local.placement`.
      non_local_block: what is put there, `non_local_block` or `cgnl_block`.
      padding: of strided layers; "symmetric" as in Caffe2 and PyTorch, "same"
        as in TensorFlow, which pads less before than after at even sizes.
      stride_in: the convolution of a bottleneck block that halves the size:
        "3x3" as in the paper's networks and torchvision, or "1x1", the first, as
        in keras.applications and Caffe. The weights have the same shapes; those
        of one form compute something else in the other until they are trained on.
      border_color: red, green and blue in 0..255 around the clip, for the stem;
        None for zeros, which are the grey 114.75. Weights of others are exact at
        the borders with the colour that zeros are there: (123.68, 116.779,
        103.939) for keras.applications.
      style: normalization and weight decay, of `network_style`; None is what the configuration says.
      folded: the inference form without normalization; see `folding`.
      name: of the model.

    Returns:
      A model from clips [B, T, H, W, 3] to feature maps [B, T, H/32, W/32, C]
      in the compute dtype, sizes rounded up (without `pad_pool` down, once), C = 2048
      for bottleneck and 512 for basic blocks at width 1. Temporal strides and
      `pool2_kernel` shorten T.

    Raises:
      UserError: an option has a value that is not listed here.
    """
    require_choice("resnet3d.depth", depth, DEPTHS)
    require_choice("resnet3d.gating", gating, ("stage", "block", "none"))
    require_choice("resnet3d.gate_position", gate_position, ("post_stage", "residual_branch"))
    require_choice("resnet3d.padding", padding, ("symmetric", "same"))
    require_choice("resnet3d.stride_in", stride_in, ("3x3", "1x1") if depth >= 50 else ("3x3",))
    stem_kernel = require_size("resnet3d.stem_kernel", stem_kernel, odd=True)
    stem_strides = require_size("resnet3d.stem_strides", stem_strides)
    pool_kernel = require_size("resnet3d.pool_kernel", pool_kernel)
    pool_strides = require_size("resnet3d.pool_strides", pool_strides)
    make_block, block_counts = DEPTHS[depth]
    kernels = _temporal_kernels(block_counts, temporal_kernels, res5_kernels)
    attended = placement(non_local, block_counts)
    style = style_of_network(style, padding=padding, gate_bias=gate_bias, folded=folded)
    filters = scaled(64, width_multiplier)

    clips = keras.Input((None, None, None, 3), name="clips")
    x = blocks.convolution(clips, filters, stem_kernel, stem_strides, style, "stem_conv", border_color=border_color)
    x = blocks.relu(x, "stem_relu")
    x = blocks.max_pool(x, pool_kernel, pool_strides, style, "stem_pool", padded=pad_pool)
    for stage, stage_kernels in enumerate(kernels, start=2):
        for number, temporal_kernel in enumerate(stage_kernels, start=1):
            gated = gating == "block" or (gating == "stage" and number == len(stage_kernels))
            block = ResidualBlock(
                name=f"res{stage}_block{number}",
                filters=filters * 2 ** (stage - 2),
                temporal_kernel=temporal_kernel,
                stride=2 if stage > 2 and number == 1 else 1,
                branch_gate=gated and gate_position == "residual_branch",
                stride_in=stride_in,
            )
            x = make_block(x, block, style)
            if number in attended[stage - 2]:
                x = non_local_block(x, style, f"{block.name}_non_local")
            if gated and gate_position == "post_stage":
                x = blocks.gate(x, style, f"{block.name}_gate")
        if stage == 2 and pool2_kernel is not None:
            window = require_size("resnet3d.pool2_kernel", pool2_kernel)
            x = blocks.max_pool(x, window, window, style, "res2_pool", padded=False)
    return keras.Model(clips, x, name=name)


def _temporal_kernels(
    block_counts: tuple[int, ...], given: Sequence[Sequence[int]] | None, res5_kernels: str
) -> tuple[tuple[int, ...], ...]:
    """Temporal kernel sizes of every block, one tuple per stage."""
    if given is not None:
        if not _are_odd_numbers(given, block_counts):
            raise UserError(
                f"resnet3d.temporal_kernels = {given}: needs odd numbers for {block_counts} blocks in res2 to res5"
            )
        return tuple(tuple(stage) for stage in given)
    require_choice("resnet3d.res5_kernels", res5_kernels, ("table", "reference_code"))
    res2, res3, res4, res5 = block_counts
    last = (3, 1) if res5_kernels == "table" else (1, 3)
    return (3,) * res2, _alternate((3, 1), res3), _alternate((3, 1), res4), _alternate(last, res5)


def _are_odd_numbers(given: Sequence[Sequence[int]], block_counts: tuple[int, ...]) -> bool:
    if any(isinstance(stage, int) for stage in given) or [len(stage) for stage in given] != list(block_counts):
        return False
    return all(isinstance(number, int) and number > 0 and number % 2 for stage in given for number in stage)


def _alternate(pair: tuple[int, int], length: int) -> tuple[int, ...]:
    return tuple(pair[i % 2] for i in range(length))
