"""Runs the rows of table 6 on a small data set in Clothing1M's layout, one line of the results file each.

  python -m tools.table6.run --gin_file=clothing_small.gin --gin_param="DATA='data/clothing_small'"
      --output_dir=runs/table6 --results=results/table6_small.jsonl

--results is the memory: a row whose line stands there with the same configuration and seed is not run again, on
whatever machine. Networks and labels lie in --output_dir. A killed run goes on with the same command, and the same
command started twice shares the work:

  taskset -c 0 python -m tools.table6.run ... &
  taskset -c 1 python -m tools.table6.run ... &

--rows=weak,spl runs these only. --variant runs rows with other settings, into the same files:

  long       pre-training takes four times as long
  clean250   with the clean training set target_250.csv, and as many steps; tools.table6.target_sizes writes it
  clean2000  likewise with target_2000.csv, which has the validation images
  swapped    training and validation images change places: other clean images of the same kind
"""

from absl import flags

from spl_tf import command
from tools.study.chosen import chosen_arms, study_flags

FLAGS = study_flags("rows", "Rows to run")
flags.DEFINE_integer("seeds", 3, "Of every row, from 0 on.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_enum("variant", "", ["", "long", "clean250", "clean2000", "swapped"], "Of the rows.", flag_values=FLAGS)


def main() -> int:
    command.require_flags(FLAGS, "output_dir", "results")
    from tools.table6.rows import all_arms

    arms = chosen_arms(all_arms(FLAGS.seeds, FLAGS.variant), "row", "rows", FLAGS.rows)
    command.parse_gin(FLAGS)
    from spl_tf.experiment.resumable import replacing_changed
    from tools.study.run import run_arms
    from tools.table6.study import table6_study

    with replacing_changed(FLAGS.replace_changed):
        run_arms(table6_study(FLAGS.output_dir, FLAGS.seeds, FLAGS.variant), arms, FLAGS.results)
    return 0


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
