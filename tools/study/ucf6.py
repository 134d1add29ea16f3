"""Runs the study on ucf6: every arm of `arms.py` to the test set, one line of the results file each.

  python -m tools.study.ucf6 --gin_file=ucf6.gin --gin_param="DATA='data/ucf6'"
      --output_dir=runs/study --results=results/ucf6_study.jsonl

--results is the memory of the study: an arm whose line stands there with the same configuration is
not run again, on whatever machine. Networks and labels lie in --output_dir; stages are shared where
arms have them in common. A killed run goes on with the same command.

The same command started twice shares the work: an arm that another process works on is left to it.
On two cores, two processes with a core each finish a quarter sooner than one with both:

  taskset -c 0 python -m tools.study.ucf6 ... &
  taskset -c 1 python -m tools.study.ucf6 ... &

--studies=main,rounds runs these questions only.
"""

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
flags.DEFINE_bool("replace_changed", False, "As of spl_tf.recipe.", flag_values=FLAGS)
flags.DEFINE_string("output_dir", None, "Folder for everything but the results.", flag_values=FLAGS)
flags.DEFINE_string("results", None, "JSON lines file, appended to.", flag_values=FLAGS)
flags.DEFINE_list("studies", [], "Questions to run, all by default.", flag_values=FLAGS)


def main() -> int:
    command.require_flags(FLAGS, "output_dir", "results")
    from tools.study.arms import all_arms

    known = list(dict.fromkeys(arm.study for arm in all_arms()))
    if unknown := [name for name in FLAGS.studies if name not in known]:
        raise UserError(f"--studies={unknown[0]}: give some of {', '.join(known)}")
    command.parse_gin(FLAGS)
    from spl_tf.experiment.resumable import replacing_changed
    from tools.study.run import run_arms
    from tools.study.study import ucf6_study

    arms = [arm for arm in all_arms() if not FLAGS.studies or arm.study in FLAGS.studies]
    with replacing_changed(FLAGS.replace_changed):
        run_arms(ucf6_study(FLAGS.output_dir), arms, FLAGS.results)
    return 0


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
