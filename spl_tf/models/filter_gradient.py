"""Convolutions whose filter gradient is a product of matrices for each tap, where a processor is faster so.

On CPUs oneDNN computes filter gradients (`Conv3DBackpropFilterV2`) at a half to a sixth of the rate of the forward
pass. One product of matrices for each tap of the filter, of the inputs that it sees and the gradient of the
outputs, gives the same sums. `tools/benchmark/README.md`, "filters.py", has the measurements behind `is_faster`.
"""

import functools
import itertools
from collections.abc import Sequence

import tensorflow as tf

from spl_tf.models.options import Size


def is_faster(inputs: tf.TensorShape, kernel: Sequence[int], strides: Size) -> bool:
    """Whether products are at least as fast as the library, on this machine's devices.

    Args:
      inputs: [B, T, H, W, Cin]; where sizes are not known the library is taken.
      kernel: kt, kh, kw, Cin, Cout.
      strides: time, height, width.
    """
    if not inputs.is_fully_defined() or _has_accelerator():
        return False
    frames, height, width, channels, filters = kernel
    _, down, across = strides
    if strides[0] > 1 or down != across or down > 2:
        return False
    pixels = inputs[2] * inputs[3]
    if height > 1 or width > 1:
        return channels >= 32 if frames == 1 else channels >= 64 and pixels <= 16 * 16
    if down == 2:
        return channels >= 64
    return pixels <= 4 * 4 if frames == 1 else not 64 < filters < 512


@functools.cache
def _has_accelerator() -> bool:
    """Their libraries have fast filter gradients of their own."""
    return any(device.device_type != "CPU" for device in tf.config.list_physical_devices())


def convolution(inputs: tf.Tensor, kernel: tf.Tensor, strides: Size, padding: str) -> tf.Tensor:
    """`tf.nn.conv3d` with the filter gradient of `filter_gradient`.

    Args:
      inputs: [B, T, H, W, Cin].
      kernel: [kt, kh, kw, Cin, Cout].
      strides: time, height, width; height and width alike, 1 or 2.
      padding: "valid", or "same" with odd kernels and strides of 1.
    """
    steps, border = [1, *strides, 1], padding.upper()

    @tf.custom_gradient
    def convolve(inputs: tf.Tensor, kernel: tf.Tensor):
        def gradient(outer: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            to_inputs = tf.raw_ops.Conv3DBackpropInputV2(
                input_sizes=tf.shape(inputs), filter=kernel, out_backprop=outer, strides=steps, padding=border
            )
            return to_inputs, filter_gradient(inputs, outer, kernel.shape[:3], strides, padding)

        return tf.nn.conv3d(inputs, kernel, steps, border), gradient

    return convolve(inputs, kernel)


def filter_gradient(inputs: tf.Tensor, outer: tf.Tensor, taps: Size, strides: Size, padding: str) -> tf.Tensor:
    """Gradient of a convolution's filter.

    Args:
      inputs: [B, T, H, W, Cin].
      outer: gradient of the outputs, [B, T', H', W', Cout].
      taps: kt, kh, kw.
      strides, padding: as of `convolution`.

    Returns:
      [kt, kh, kw, Cin, Cout].
    """
    if padding == "same":
        margins = [(0, 0), *((size // 2, size // 2) for size in taps), (0, 0)]
        inputs = tf.pad(inputs, margins, constant_values=tf.zeros((), inputs.dtype))
    frames, height, width = outer.shape[1:4]
    phases = _phases(inputs, strides[1])
    rows = tf.reshape(outer, [-1, outer.shape[-1]])
    products = []
    for frame, row, column in itertools.product(*map(range, taps)):
        phase = phases[row % strides[1]][column % strides[1]]
        top, left = row // strides[1], column // strides[1]
        last = frame + strides[0] * (frames - 1)
        seen = phase[:, frame : last + 1 : strides[0], top : top + height, left : left + width]
        products.append(tf.matmul(tf.reshape(seen, [-1, inputs.shape[-1]]), rows, transpose_a=True))
    return tf.reshape(tf.stack(products), [*taps, inputs.shape[-1], outer.shape[-1]])


def _phases(inputs: tf.Tensor, stride: int) -> list[list[tf.Tensor]]:
    """Every `stride`th row and column of [B, T, H, W, C], from each row and column below `stride` on.

    One operation for all is three times as fast as a strided slice for each.
    """
    if stride == 1:
        return [[inputs]]
    batch, frames, height, width = inputs.shape[:4]
    missing = [(0, 0), (0, 0), (0, -height % stride), (0, -width % stride), (0, 0)]
    padded = tf.pad(inputs, missing, constant_values=tf.zeros((), inputs.dtype))
    folded = tf.reshape(padded, [batch * frames, *padded.shape[2:]])
    parts = tf.split(tf.nn.space_to_depth(folded, stride), stride**2, axis=-1)
    phases = [tf.reshape(part, [batch, frames, *part.shape[1:]]) for part in parts]
    return [phases[row * stride : (row + 1) * stride] for row in range(stride)]
