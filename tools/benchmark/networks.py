"""A network's training step or inference, beside the same network in other frameworks.

    nox -s benchmark_networks -- --work=training --network=r3d50g

Every framework has a process of its own and waits while another works. Clips are in memory, as uint8; the input is
compared by `tools.benchmark.input`.
"""

import statistics

import tabulate
from absl import flags

from spl_tf import command
from tools.benchmark.contest import measure, ratio, started
from tools.benchmark.network_sizes import SIZES

_TORCH, _TENSORFLOW = "tools.benchmark.contestants.of_torch", "tools.benchmark.contestants.of_spl_tf"
CONTESTANTS = {
    "spl_tf": (_TENSORFLOW, "spl_tf"),
    "keras": (_TENSORFLOW, "keras"),
    "torch": (_TORCH, "eager"),
    "torch_compiled": (_TORCH, "compiled"),
}

FLAGS = flags.FlagValues()
flags.DEFINE_enum("work", "training", ["training", "inference"], "What is done.", flag_values=FLAGS)
flags.DEFINE_multi_enum("network", list(SIZES), list(SIZES), "Network, repeatable.", flag_values=FLAGS)
flags.DEFINE_multi_enum(
    "against", ["keras", "torch"], list(CONTESTANTS)[1:], "Framework, repeatable.", flag_values=FLAGS
)
flags.DEFINE_enum("precision", "float32", ["float32", "bfloat16"], "Number format.", flag_values=FLAGS)
flags.DEFINE_integer("rounds", 7, "Turns of each.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_float("seconds", 5.0, "Of a turn, which ends with the call that is running then.", flag_values=FLAGS)


def main() -> None:
    rows = []
    for network in FLAGS.network:
        work = [network, FLAGS.work, FLAGS.precision]
        names = ["spl_tf", *FLAGS.against]
        with started({name: (CONTESTANTS[name][0], [*work, CONTESTANTS[name][1]]) for name in names}) as contestants:
            measured = measure(contestants, FLAGS.rounds, FLAGS.seconds)
        for name, seconds in measured.items():
            rate = SIZES[network].clips / statistics.median(seconds)
            rows.append([network, contestants[name].title, f"{rate:.2f}", ratio(seconds, measured["spl_tf"])])
    headers = ["network", "framework", "clips a second", "times spl_tf's time (least to most)"]
    print(tabulate.tabulate(rows, headers, disable_numparse=True))


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
