"""A backbone of one block, for tests that train: most of a short run is the time its graph takes to be built."""

import gin
import keras

from spl_tf.models import blocks
from spl_tf.models.blocks import ResidualBlock
from spl_tf.models.style import style_of_network


@gin.configurable(denylist=["folded"])
def tiny_network(temporal_kernel: int = 3, *, folded: bool = False) -> keras.Model:
    """[B, T, H, W, 3] -> [B, T, H/8, W/8, 32], with what the real ones have: normalization, a shortcut, a gate."""
    style = style_of_network(None, folded=folded)
    clips = keras.Input((None, None, None, 3), name="clips")
    x = blocks.relu(blocks.convolution(clips, 16, (temporal_kernel, 5, 5), (1, 4, 4), style, "stem_conv"), "stem_relu")
    block = ResidualBlock("res2_block1", 32, temporal_kernel, stride=2, branch_gate=False)
    x = blocks.gate(blocks.basic_block(x, block, style), style, "res2_block1_gate")
    return keras.Model(clips, x, name="tiny_network")
