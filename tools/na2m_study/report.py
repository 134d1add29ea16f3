"""The tables of a results file of tools.na2m_study.run, in Markdown, and a verdict on every ordering of the paper's.

  python -m tools.na2m_study.report --results=results/na2m_ucf6.jsonl --test=data/ucf6/test.csv

AP is the mean average precision over the actions, on the web clips against what they show. Intervals, 95 %, are of the
difference of two rows in top-1, paired over the seeds that both have ("seeds: n" where that is not the row's number)
and over test videos, by bootstrap. A bold difference's interval leaves zero out, any other is not distinguishable. What
is not finished shows as "-".
"""

import pathlib

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
flags.DEFINE_string("results", None, "JSON lines file of tools.na2m_study.run.", flag_values=FLAGS)
flags.DEFINE_string("test", None, "test.csv of ucf6: which videos belong to one recording.", flag_values=FLAGS)


def main() -> None:
    command.require_flags(FLAGS, "results", "test")
    from tools.na2m_study import tables
    from tools.na2m_study.arms import BEYOND, TABLE_3, TABLE_4
    from tools.study.results import read_rows

    results = tables.Results(read_rows(pathlib.Path(FLAGS.results)), pathlib.Path(FLAGS.test))
    bases = "none", "bce"
    for title, table in (
        (
            "Table 3: losses for several noisy labels",
            f"{tables.clean_table(results, TABLE_3, bases)}\n\n{tables.tags_line(results)}",
        ),
        ("Beyond the paper", tables.clean_table(results, BEYOND, bases)),
        ("Table 4: without labels, and both", tables.clean_table(results, TABLE_4, ("none", "ssl"))),
        ("What chose a pre-training", tables.choice_table(results)),
        ("Tables 6 and 7: spoiled target sets", tables.spoiled_table(results)),
        ("The paper's orderings", tables.claims_table(results)),
    ):
        print(f"### {title}\n\n{table}\n")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
