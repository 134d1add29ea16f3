"""Runs NoisyActions2M's tables 3, 4, 6 and 7 on ucf6, one line of the results file a row and seed.

  python -m tools.na2m_study.run --gin_file=na2m_ucf6.gin --gin_param="DATA='data/ucf6'"
      --output_dir=runs/na2m --results=results/na2m_ucf6.jsonl

--results is the memory: a row whose line stands there with the same configuration and seed is not run again, on
whatever machine. Networks, lists and spoiled videos lie in --output_dir. A killed run goes on with the same command,
and the same command started twice shares the work:

  taskset -c 0 python -m tools.na2m_study.run ... &
  taskset -c 1 python -m tools.na2m_study.run ... &

--targets=clean,noise40 runs these target sets only: clean is tables 3 and 4; tables 6 (noise40, noise80) and 7 (random,
contiguous) need those to choose a pre-training, so they are run for them.
"""

from spl_tf import command
from tools.study.chosen import chosen_arms, study_flags

FLAGS = study_flags("targets", "Target sets to run")


def main() -> int:
    command.require_flags(FLAGS, "output_dir", "results")
    from tools.na2m_study.arms import CHOICE, NONE, SPOILED, beyond_keys, spoiled_keys, table_keys

    keys = [*table_keys(), *spoiled_keys(NONE), *beyond_keys()]
    keys = chosen_arms(keys, "target", "targets", FLAGS.targets)
    command.parse_gin(FLAGS)
    import pathlib

    from spl_tf.experiment.resumable import replacing_changed
    from tools.na2m_study.choice import best_pretraining
    from tools.na2m_study.study import na2m_study
    from tools.study.run import run_arms

    spoiled = {key.target for key in keys} & set(SPOILED)
    results = pathlib.Path(FLAGS.results)
    with replacing_changed(FLAGS.replace_changed):
        study, lists = na2m_study(FLAGS.output_dir)
        for target, seed in dict.fromkeys([(CHOICE, 0), *((key.target, key.seed) for key in keys)]):
            lists.make(target, seed)
        last = [key for key in keys if key in beyond_keys()]
        run_arms(study, [key for key in keys if key not in last], results)
        if spoiled:
            best = best_pretraining(study, results)
            print(f"tables 6 and 7: {best} is best on the held-out part of the target set", flush=True)
            run_arms(study, [key for key in spoiled_keys(best) if key.target in spoiled], results)
        run_arms(study, last, results)
    return 0


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
