"""Seconds from a command to the end of its first training step, beside other frameworks.

  python -m tools.benchmark.start --shards=runs/ucf6/shards/target --rounds=5

`spl_tf.train` opens the shards, reads its first batch of them, and makes its folder, logs and pictures; the others
train the same network (of gin/ucf6.gin) on clips in memory. Imports are measured as programs of their own.
"""

import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from absl import flags

from spl_tf import command
from tools.benchmark.contest import ratio
from tools.benchmark.record import define_results_flag, publish

FLAGS = flags.FlagValues()
flags.DEFINE_string("shards", None, "Folder of shards of six classes, short side 72.", flag_values=FLAGS)
flags.DEFINE_multi_enum(
    "against", ["keras", "torch"], ["keras", "torch", "torch_compiled"], "Framework, repeatable.", flag_values=FLAGS
)
flags.DEFINE_integer("rounds", 5, "Turns of each.", lower_bound=1, flag_values=FLAGS)
define_results_flag(FLAGS)

_OURS = "spl_tf.train"
_CONTESTANTS = "tools.benchmark.contestants"
_IMPORTS = """
from spl_tf.light_start import light_start
from spl_tf.quiet_start import quiet_start
with quiet_start(), light_start():
    import spl_tf.configurables, spl_tf.training.stage
"""
# What a program writes after its first step.
_FIRST_STEP = re.compile(r"loss=|^> ", re.MULTILINE)


def main() -> None:
    command.require_flags(FLAGS, "shards")
    work = ["ucf6", "training", "float32"]
    frameworks = {
        "keras": [f"{_CONTESTANTS}.of_spl_tf", *work, "keras"],
        "torch": [f"{_CONTESTANTS}.of_torch", *work, "eager"],
        "torch_compiled": [f"{_CONTESTANTS}.of_torch", *work, "compiled"],
    }
    programs = {
        "import of TensorFlow": ["-c", "import spl_tf, tensorflow"],
        f"imports of {_OURS}": ["-c", _IMPORTS],
        _OURS: ["-m", "spl_tf.train", "--gin_file=ucf6.gin", "--stage=teacher"],
    } | {name: ["-m", *frameworks[name]] for name in FLAGS.against}
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    order = random.Random(0)
    for number in range(FLAGS.rounds):
        print(f"round {number + 1} of {FLAGS.rounds}", file=sys.stderr, flush=True)
        for name in order.sample(list(programs), len(programs)):
            with tempfile.TemporaryDirectory() as folder:
                own = _of_run(pathlib.Path(folder, "model")) if name == _OURS else []
                seconds[name].append(_seconds([sys.executable, *programs[name], *own]))
    rows = [
        [name, f"{statistics.median(found):.1f} ({min(found):.1f} to {max(found):.1f})", ratio(found, seconds[_OURS])]
        for name, found in seconds.items()
    ]
    headers = ["program", "seconds (least to most)", f"times {_OURS}'s"]
    table = f"{_OURS} against {', '.join(FLAGS.against)}"
    publish("start", table, headers, rows, results=FLAGS.results, packages=["torch"])


def _of_run(folder: pathlib.Path) -> list[str]:
    bindings = {"train_shards": repr(str(FLAGS.shards)), "epochs": "1.0", "precision": "'float32'"}
    return [f"--model_dir={folder}"] + [f"--gin_param=train_stage.{name} = {value}" for name, value in bindings.items()]


def _seconds(arguments: Sequence[str]) -> float:
    """Until a program writes that its first step is done, or ends; it is ended then.

    Raises:
      CalledProcessError: it failed.
    """
    begin, text = time.monotonic(), ""
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        assert run.stdout is not None
        while piece := run.stdout.read1():
            text += piece.decode(errors="replace").replace("\r", "\n")
            if _FIRST_STEP.search(text):
                elapsed = time.monotonic() - begin
                run.kill()
                return elapsed
    elapsed = time.monotonic() - begin
    if run.returncode:
        print(text, file=sys.stderr)
        raise subprocess.CalledProcessError(run.returncode, arguments)
    return elapsed


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
