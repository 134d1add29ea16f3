"""Kills a recipe at random moments, starts it again until it is done, and compares it with an undisturbed run.

  python -m tools.soak.recipe --gin_file=tools/soak/soak.gin --output_dir=runs/soak --kills=20 --seed=0

The recipe (see spl_tf.recipe) first runs undisturbed, while it is noted when each step begins and
ends. Then it runs in another folder and is killed by SIGKILL or SIGTERM, by chance, at a moment
drawn from what is left of the run: so many seconds after a step began, whenever that is. Every
step is hit at least once, and so are start-up and the rendering of videos. When a step was missed,
or there were fewer than --kills kills, a further run is disturbed in the same way.

It is a fault (exit code 1, each named on a line of its own) when

  * SIGTERM gives another exit code than 143, or a process is alive five seconds after a kill,
  * a restarted recipe fails, does a finished step anew, or is killed with fewer rows in results.csv
    than it was started with,
  * results.csv differs in anything but its seconds,
  * a shard differs in a byte, a side-car in a row, or weights in a bit,
  * temporary files, spools or half-written checkpoints are left at the end.

Written into --output_dir: undisturbed/ and disturbed/ with what each said in undisturbed.log and
disturbed.log, kills.csv, soak.json. A soak that is stopped takes the recipe with it, unless it gets
SIGKILL; the same command goes on with the kills still to come.
"""

import pathlib
import sys

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
flags.DEFINE_string("output_dir", None, "Folder for both runs.", flag_values=FLAGS)
flags.DEFINE_integer("kills", 20, "Least number of kills.", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Of moments and signals.", flag_values=FLAGS)
flags.mark_flags_as_required(["gin_file", "output_dir"], flag_values=FLAGS)

_PASSED_ON = ("gin_file", "gin_param", "gin_search_path")


def main() -> int:
    recipe = [sys.executable, "-m", "spl_tf.recipe"]
    return soak([*recipe, *(f"--{name}={value}" for name in _PASSED_ON for value in FLAGS[name].value)])


def soak(recipe: list[str]) -> int:
    """Soaks a command that takes --output_dir, as the flags say; returns the exit code."""
    if FLAGS.kills < 1 or FLAGS.seed < 0:
        raise UserError(f"--kills={FLAGS.kills} --seed={FLAGS.seed}: give at least 1 and 0")
    from spl_tf import files
    from tools.soak.soak import Soak

    output_dir = pathlib.Path(FLAGS.output_dir)
    with files.locked(output_dir, "the soak"):
        faults = Soak(recipe, output_dir, FLAGS.kills, FLAGS.seed).run()
    for fault in faults:
        print(f"FAULT {fault}")
    print(f"{len(faults)} faults" if faults else "no difference from the undisturbed run, nothing left over")
    return 1 if faults else 0


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
