"""Tables and figures of the study on ucf6, from its results file alone.

  python -m tools.study.report --results=results/ucf6_study.jsonl --test=data/ucf6/test.csv --figures=results/figures

Prints Markdown. Intervals are of the difference over the seeds that both arms have ("seeds: n" where that
is not the row's number); a bold difference's 95 % interval leaves zero out, any other is not
distinguishable. Arms that are not finished show as "-".

--figures also gets ucf6_classes.csv: every class of the label spaces of the main study, its clips, the share
of them that shows its most frequent action, and that action.
"""

import pathlib

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
flags.DEFINE_string("results", None, "JSON lines file of tools.study.ucf6.", flag_values=FLAGS)
flags.DEFINE_string("test", None, "test.csv of ucf6: which videos belong to one recording.", flag_values=FLAGS)
flags.DEFINE_string("figures", None, "Folder for figures and ucf6_classes.csv; none without it.", flag_values=FLAGS)

_PAPER_TITLES = {
    "noise": "Losses and weights for noisy labels",
    "anchor": "Anchor loss",
    "projection": "Projection head",
    "labels": "Number of SPL classes",
    "clips": "More clips or more videos",
    "frames": "Inflated weights of a network over frames",
}


def main() -> None:
    command.require_flags(FLAGS, "results", "test")
    from tools.study import figures, tables
    from tools.study.collected import Collected
    from tools.study.label_classes import label_classes, write_classes
    from tools.study.results import read_rows

    results = Collected(read_rows(pathlib.Path(FLAGS.results)), pathlib.Path(FLAGS.test))
    for title, table in (
        ("Strategies", tables.main_table),
        ("Confidence threshold and second round", tables.variants_table),
        ("What the strategies make of the web clips", tables.labels_table),
        ("Purity of each class", tables.purity_table),
        ("Teacher quality", tables.teacher_table),
        ("Quality of the queries", tables.query_table),
    ):
        print(f"### {title}\n\n{table(results)}\n")
    for study, title in _PAPER_TITLES.items():
        print(f"### {title}\n\n{tables.paper_table(results, study)}\n")
    print(f"### The paper's orderings\n\n{tables.claims_table(results)}\n")
    if FLAGS.figures:
        folder = pathlib.Path(FLAGS.figures)
        figures.draw_differences(results, folder / "ucf6_differences.png")
        classes = label_classes(results)
        figures.draw_purity(classes, folder / "ucf6_purity.png")
        figures.draw_queries(results, folder / "ucf6_query.png")
        figures.draw_teachers(results, folder / "ucf6_teacher.png")
        write_classes(classes, folder / "ucf6_classes.csv")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
