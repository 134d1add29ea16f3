"""Tables of measurements: printed, and kept with command, machine and versions for BENCHMARKS.md."""

import importlib.metadata
import os
import pathlib
import platform
import re
import shlex
import sys
from collections.abc import Iterable, Sequence

import tabulate
from absl import flags

from tools.study.results import append_row, provenance

# What a number format needs of a processor, as Linux names it.
_UNITS = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "bfloat16", "amx_bf16": "AMX"}


def define_results_flag(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "results", None, "File that the table is appended to, for tools.benchmark.tables.", flag_values=flag_values
    )


def publish(
    benchmark: str,
    table: str,
    headers: Sequence[str],
    rows: Iterable[Sequence],
    *,
    results: str | None,
    packages: Sequence[str] = (),
) -> None:
    """Prints a table; appends it to a results file where one is given.

    Args:
      benchmark: module of tools.benchmark that measured.
      table: what was measured, one line; a later table of the same name takes its place in BENCHMARKS.md.
      headers, rows: text, of the table.
      results: the file, JSON lines.
      packages: whose versions belong to it, beside the usual ones, where installed.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    print(f"{table}\n\n{as_markdown(headers, cells)}", flush=True)
    if results is not None:
        made = provenance()
        made["versions"] |= {name: version for name in packages if (version := _version(name))}
        told = re.sub(r"--results[ =]\S+ ?", "", shlex.join(sys.argv[1:]))
        command = f"python -m tools.benchmark.{benchmark} {told}".rstrip()
        row = {"benchmark": benchmark, "table": table, "command": command, "machine": machine(), **made}
        append_row(pathlib.Path(results), row | {"headers": list(headers), "rows": cells})


def as_markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return tabulate.tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def machine() -> str:
    """Processor, cores that this process may use, and what they multiply beside float32."""
    text = pathlib.Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    fields = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    units = [title for name, title in _UNITS.items() if name in fields.get("flags", "").split()]
    name = fields.get("model name") or platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0))
    family = f"family {fields['cpu family']}" if "cpu family" in fields else ""
    return ", ".join(filter(None, [name, family, f"{cores} core{'s' * (cores > 1)}", *units]))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
