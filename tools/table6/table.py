"""The table of a results file of tools.table6.run, in Markdown.

  python -m tools.table6.table --results=results/table6_small.jsonl

Intervals, 95 %, are of the difference of two rows in top-1, paired over the seeds that both have and over test images,
by bootstrap. A bold difference's interval leaves zero out, any other is not distinguishable.
"""

import collections
import pathlib

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError

FLAGS = flags.FlagValues()
flags.DEFINE_string("results", None, "JSON lines file of tools.table6.run.", flag_values=FLAGS)
flags.mark_flag_as_required("results", flag_values=FLAGS)

_BASES = ("weak", "none")


def main() -> None:
    from tools.study.results import read_rows

    rows = read_rows(pathlib.Path(FLAGS.results))
    if not rows:
        raise UserError(f"{FLAGS.results} has no rows: run tools.table6.run with the same --results first")
    if len({row["config"] for row in rows}) > 1:
        raise UserError(f"{FLAGS.results} mixes configurations: give each its own --results")
    print(table(rows))


def table(rows: list[dict]) -> str:
    """Every row of the table that has a result: means over seeds and differences."""
    import numpy as np

    from spl_tf.report.intervals import paired_difference
    from tools.table6.rows import ROWS

    by_seed = collections.defaultdict(dict)
    for row in rows:
        by_seed[row["row"]][row["seed"]] = row

    def difference(name: str, base: str) -> str:
        seeds = sorted(by_seed[name].keys() & by_seed[base].keys())
        if name == base or not seeds:
            return "-"
        first, second = (
            np.array([[digit == "1" for digit in by_seed[key][seed]["correct"]] for seed in seeds])
            for key in (name, base)
        )
        found = paired_difference(first, second)
        points = f"**{found.points:+.1f}**" if found.is_distinguishable else f"{found.points:+.1f}"
        return f"{points} [{found.low:+.1f}, {found.high:+.1f}]"

    def mean(name: str, column: str, form: str) -> str:
        values = [row[column] for row in by_seed[name].values() if row.get(column) is not None]
        return format(np.mean(values), form) if values else "-"

    def top_1(name: str) -> str:
        values = [100 * row["top_1"] for row in by_seed[name].values()]
        deviation = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
        return f"{np.mean(values):.1f}{deviation}"

    header = ["row", "seeds", "classes", "images used", "top-1 (%)", *(f"minus {base}" for base in _BASES)]
    header += ["probe", "k-NN"]
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    for name in ROWS:
        if by_seed[name]:
            numbers = [str(len(by_seed[name])), mean(name, "classes", ".0f"), mean(name, "clips", ",.0f"), top_1(name)]
            probes = [mean(name, column, ".1%").replace("%", " %") for column in ("linear_probe", "knn")]
            lines.append([name, *numbers, *(difference(name, base) for base in _BASES), *probes])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
