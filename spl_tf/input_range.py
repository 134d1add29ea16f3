"""The range of a network's input: one scalar mean and deviation for all channels, RGB order.

Those of the Non-local Networks' reference code, 114.75 and 57.375 of 255. Here, above `data` and
`models`, because both need them and neither knows the other.
"""

from collections.abc import Sequence

import numpy as np

from spl_tf.errors import UserError

MEAN = 0.45
DEVIATION = 0.225


def normalized(color: Sequence[float]) -> tuple[float, ...]:
    """A colour in 0..255 as the network sees it, after `preprocessing.normalize`.

    Raises:
      UserError: it has not three numbers.
    """
    if len(color) != 3 or isinstance(color, str):
        raise UserError(f"border_color = {color}: needs three numbers, red, green and blue in 0 to 255")
    return tuple((value / 255.0 - MEAN) / DEVIATION for value in color)


def absorb_range(
    kernel: np.ndarray, mean: Sequence[float], deviation: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Makes the first convolution of a network with another range take our input.

    Inside the picture the result is the same. Around it the zeros of the other
    network are the colour `mean`, ours are another: see `resnet3d.border_color`.

    Args:
      kernel: [..., Cin, Cout], float64, for the input (pixel - mean) / deviation, pixels in 0..255.
      mean, deviation: of the other network, per input channel, in 0..255.

    Returns:
      The kernel for our input, and the bias [Cout] that the shift amounts to.
    """
    means, deviations = np.asarray(mean, np.float64), np.asarray(deviation, np.float64)
    bias = (255.0 * MEAN - means) / deviations @ kernel.reshape(-1, *kernel.shape[-2:]).sum(axis=0)
    return kernel * (255.0 * DEVIATION / deviations)[:, None], bias
