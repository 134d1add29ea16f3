"""Writes BENCHMARKS.md from the tables that the other modules of tools.benchmark appended to a results file.

python -m tools.benchmark.tables --results=results/benchmarks.jsonl --output=BENCHMARKS.md
"""

import importlib.util
import pathlib
from collections.abc import Iterable

from absl import flags

from spl_tf import command, files
from spl_tf.errors import UserError
from tools.benchmark.record import as_markdown
from tools.study.results import Row, read_rows

FLAGS = flags.FlagValues()
flags.DEFINE_string("results", "results/benchmarks.jsonl", "File of tables.", flag_values=FLAGS)
flags.DEFINE_string("output", "BENCHMARKS.md", "File that is written.", flag_values=FLAGS)

_TITLE = """# Benchmarks

Every table is the output of the command above it; `python -m tools.benchmark.tables` made this page of
[{results}]({results}). Programs that are compared work in turns, each in a process of its own; ratios are of the same
turn, median and least to most. [tools/benchmark](tools/benchmark/README.md) says how each is measured, what was chosen
by it, and what earlier versions had.
"""


def main() -> None:
    rows = read_rows(pathlib.Path(FLAGS.results))
    if not rows:
        raise UserError(f"{FLAGS.results} has no tables: run one of tools.benchmark with --results={FLAGS.results}")
    with files.atomic_path(FLAGS.output) as path:
        pathlib.Path(path).write_text(page(rows, FLAGS.results))
    print(f"written: {FLAGS.output}")


def page(rows: Iterable[Row], results: str) -> str:
    """Markdown: the newest table of each name, in the order in which their names came first."""
    newest: dict[str, dict[str, Row]] = {}
    for row in rows:
        newest.setdefault(row["benchmark"], {})[row["table"]] = row
    parts = [_TITLE.format(results=results)]
    for benchmark, tables in newest.items():
        parts.append(f"## {benchmark}.py: {_summary(benchmark)}\n")
        for row in tables.values():
            versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
            parts.append(f"**{row['table']}**\n\n    {row['command']}\n")
            parts.append(f"{as_markdown(row['headers'], row['rows'])}\n")
            parts.append(f"{row['machine']}; {row['date']}, commit {row['commit']}; {versions}\n")
    return "\n".join(parts)


def _summary(benchmark: str) -> str:
    """The first line of a module's docstring, without its full stop."""
    spec = importlib.util.find_spec(f"tools.benchmark.{benchmark}")
    assert spec is not None
    assert spec.origin is not None
    line = pathlib.Path(spec.origin).read_text().split('"""', 2)[1].splitlines()[0].removesuffix(".")
    return line[:1].lower() + line[1:]


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
