"""Filter gradients of 3D convolutions: TensorFlow's kernel beside products of matrices, by shape.

    python -m tools.benchmark.filters --rounds=7

The convolutions are those of the networks of `tools.benchmark.networks`. What `spl_tf.models.filter_gradient.is_faster`
answers was read from this table.
"""

import collections
import time
from typing import NamedTuple

from absl import flags

from spl_tf import command
from tools.benchmark.network_sizes import SIZES
from tools.benchmark.record import define_results_flag, publish

FLAGS = flags.FlagValues()
flags.DEFINE_multi_enum("network", list(SIZES), list(SIZES), "Network, repeatable.", flag_values=FLAGS)
flags.DEFINE_integer("rounds", 7, "Turns of each; the fastest counts.", lower_bound=1, flag_values=FLAGS)
define_results_flag(FLAGS)


class _Convolution(NamedTuple):
    """Shape of the inputs [B, T, H, W, Cin], and of the kernel."""

    inputs: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str


def main() -> None:
    import tensorflow as tf

    from spl_tf.models.filter_gradient import is_faster

    rows = []
    for convolution, networks in _convolutions().items():
        library, products = _fastest(convolution)
        inputs, kernel, strides, _ = convolution
        chosen = "products" if is_faster(tf.TensorShape(inputs), kernel, strides) else "library"
        shape, taps = "x".join(map(str, inputs)), "x".join(map(str, kernel[:3]))
        rows.append(
            [
                ", ".join(networks),
                shape,
                taps,
                kernel[-1],
                max(strides),
                *(f"{value:.2f}" for value in (library, products, library / products)),
                chosen,
            ]
        )
        print(*rows[-1], sep="\t", flush=True)
    headers = ["networks", "inputs", "taps", "filters", "stride", "library, ms", "products, ms", "ratio", "chosen"]
    publish("filters", ", ".join(FLAGS.network), headers, rows, results=FLAGS.results)


def _convolutions() -> dict[_Convolution, list[str]]:
    """Of all networks, each once, but for the stems."""
    import keras
    import tensorflow as tf

    from tools.benchmark.contestants.of_spl_tf import network_of

    found: dict[_Convolution, list[str]] = collections.defaultdict(list)
    for name in FLAGS.network:
        size, network = SIZES[name], network_of(name)
        layers = [layer for layer in network.layers if type(layer).__name__ == "ClipConv3D"]
        inside = keras.Model(network.input, [layer.input for layer in layers])
        clips = tf.TensorSpec([size.clips, size.frames, size.side, size.side, 3])
        shapes = [tuple(value.shape) for value in tf.function(inside).get_concrete_function(clips).outputs]
        for layer, shape in zip(layers, shapes, strict=True):
            kernel = tuple(layer.kernel.shape)
            if kernel[3] > 3:
                convolution = _Convolution(shape, kernel, layer.strides, layer.padding)
                if name not in found[convolution]:
                    found[convolution].append(name)
    return found


def _fastest(convolution: _Convolution) -> tuple[float, float]:
    """Milliseconds of the library's gradient and of the products."""
    import tensorflow as tf

    from spl_tf.models.filter_gradient import filter_gradient

    inputs = tf.random.stateless_normal(convolution.inputs, [1, 2])
    strides, padding, sizes = convolution.strides, convolution.padding, convolution.kernel
    steps, border = [1, *strides, 1], padding.upper()
    outer = tf.ones_like(tf.nn.conv3d(inputs, tf.zeros(sizes), steps, border))

    def library(inputs, outer):
        return tf.raw_ops.Conv3DBackpropFilterV2(
            input=inputs, filter_sizes=sizes, out_backprop=outer, strides=steps, padding=border
        )

    def products(inputs, outer):
        return filter_gradient(inputs, outer, sizes[:3], strides, padding)

    calls = [tf.function(call, autograph=False) for call in (library, products)]
    times: list[list[float]] = [[], []]
    for _ in range(FLAGS.rounds + 1):  # The first compiles.
        for call, measured in zip(calls, times, strict=True):
            begin = time.perf_counter()
            call(inputs, outer)[0].numpy()
            measured.append(1e3 * (time.perf_counter() - begin))
    return min(times[0]), min(times[1])


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
