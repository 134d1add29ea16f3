"""A network's training step or inference, beside the same network in other frameworks.

    nox -s benchmark_networks -- --work=training --network=r3d50g

Every framework has a process of its own and waits while another works. Clips are in memory, as uint8; the input is
compared by `tools.benchmark.input`. The last column is the rate of multiplications and additions (of a training step
three times those of the forward pass) as a part of that of a large product of matrices by TensorFlow, of the same turn.
"""

import statistics

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from tools.benchmark.contest import measure, ratio, started
from tools.benchmark.network_sizes import MATRIX_SIDE, SIZES
from tools.benchmark.record import define_results_flag, publish

_TORCH, _TENSORFLOW = "tools.benchmark.contestants.of_torch", "tools.benchmark.contestants.of_spl_tf"
CONTESTANTS = {
    "spl_tf": (_TENSORFLOW, "spl_tf"),
    "keras": (_TENSORFLOW, "keras"),
    "torch": (_TORCH, "eager"),
    "torch_compiled": (_TORCH, "compiled"),
    "openvino": (_TENSORFLOW, "openvino"),
    "openvino_int8": (_TENSORFLOW, "openvino_int8"),
}
# One product of two square matrices, as fast as anything here multiplies.
_MATRICES = "matrices"

FLAGS = flags.FlagValues()
flags.DEFINE_enum("work", "training", ["training", "inference"], "What is done.", flag_values=FLAGS)
flags.DEFINE_multi_enum("network", list(SIZES), list(SIZES), "Network, repeatable.", flag_values=FLAGS)
flags.DEFINE_multi_enum(
    "against", ["keras", "torch"], list(CONTESTANTS)[1:], "Framework, repeatable.", flag_values=FLAGS
)
flags.DEFINE_enum("precision", "float32", ["float32", "bfloat16"], "Number format.", flag_values=FLAGS)
flags.DEFINE_integer("rounds", 7, "Turns of each.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_float("seconds", 5.0, "Of a turn, which ends with the call that is running then.", flag_values=FLAGS)
define_results_flag(FLAGS)


def main() -> None:
    if FLAGS.work == "training" and (wrong := [name for name in FLAGS.against if name.startswith("openvino")]):
        raise UserError(f"--against={wrong[0]} is for --work=inference: OpenVINO does not train")
    rows = []
    for network in FLAGS.network:
        work = [network, FLAGS.work, FLAGS.precision]
        commands = {name: CONTESTANTS[name] for name in ("spl_tf", *FLAGS.against)}
        commands[_MATRICES] = (_TENSORFLOW, _MATRICES)
        with started({name: (module, [*work, form]) for name, (module, form) in commands.items()}) as contestants:
            measured = measure(contestants, FLAGS.rounds, FLAGS.seconds)
        matrices = measured.pop(_MATRICES)
        # As many as products of the large matrices would be.
        products = _multiply_adds(network) * (3 if FLAGS.work == "training" else 1) / MATRIX_SIDE**3
        for name, seconds in measured.items():
            rate = SIZES[network].clips / statistics.median(seconds)
            rates = zip(matrices, seconds, strict=True)
            share = statistics.median(products * whole / own for whole, own in rates)
            spread = ratio(seconds, measured["spl_tf"])
            rows.append([network, contestants[name].title, f"{rate:.3g}", spread, f"{share:.0%}"])
    headers = ["network", "framework", "clips a second", "times spl_tf's time (least to most)", "of a product's rate"]
    table = f"{FLAGS.work}, {FLAGS.precision}, against {', '.join(FLAGS.against)}: {', '.join(FLAGS.network)}"
    packages = ("torch", "torchvision", "openvino", "nncf")
    publish("networks", table, headers, rows, results=FLAGS.results, packages=packages)


def _multiply_adds(network: str) -> float:
    """Of the forward pass of a batch."""
    from spl_tf.models.cost import gflops_per_clip
    from tools.benchmark.contestants.of_spl_tf import network_of

    size = SIZES[network]
    return size.clips * 1e9 * gflops_per_clip(network_of(network), (size.frames, size.side, size.side, 3))


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
