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

from spl_tf import command
from tools.study.chosen import chosen_arms, study_flags

FLAGS = study_flags("studies", "Questions to run")


def main() -> int:
    command.require_flags(FLAGS, "output_dir", "results")
    from tools.study.arms import all_arms

    arms = chosen_arms(all_arms(), "study", "studies", FLAGS.studies)
    command.parse_gin(FLAGS)
    from spl_tf.experiment.resumable import replacing_changed
    from tools.study.run import run_arms
    from tools.study.study import ucf6_study

    with replacing_changed(FLAGS.replace_changed):
        run_arms(ucf6_study(FLAGS.output_dir), arms, FLAGS.results)
    return 0


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
