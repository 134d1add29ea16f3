"""Tables of a results file of tools.table6.run, with intervals over images and seeds, and what they tell apart.

  python -m tools.table6.report --results=results/cifar10n.jsonl --page=results/cifar10n.md

Without --page the tables are printed. The page's own text stays: what lies between its lines

  <!-- tables -->
  <!-- end of tables -->

is replaced. Intervals, 95 %, are of the difference of two rows in top-1 over the seeds that both have, see
tools/table6/differences.py; unlike the bootstrap of tools.table6.table they hold for one seed too, as soon as other
rows have two. Bold leaves zero out.
"""

import pathlib

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError

FLAGS = flags.FlagValues()
flags.DEFINE_string("results", None, "JSON lines file of tools.table6.run.", flag_values=FLAGS)
flags.DEFINE_string("page", None, "Markdown file whose tables are replaced.", flag_values=FLAGS)

BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"


def main() -> None:
    command.require_flags(FLAGS, "results")
    from spl_tf import files
    from tools.study.results import read_rows
    from tools.table6.page import page

    tables = page(read_rows(pathlib.Path(FLAGS.results)))
    if not FLAGS.page:
        print(tables)
        return
    path = pathlib.Path(FLAGS.page)
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    before, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{path} has no lines {BEGIN} and {END} for the tables to go between: write them there")
    with files.atomic_path(path) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}", encoding="utf-8")
    print(f"{path}: tables of {FLAGS.results}")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
