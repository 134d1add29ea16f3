"""Runs every row of the papers' tables from beginning to end, each at the sizes of smoke.gin, on videos of noise.

  python -m tools.smoke.recipes --output_dir=runs/smoke

For each arm of each table, spl_tf.recipe runs in a process of its own, in OUTPUT_DIR/PAPER_TABLE, where the rows of a
table share shards and teacher; its output is in OUTPUT_DIR/PAPER_TABLE_ARM.log. Rows that went through are not run
again unless the package or a gin file has changed since. --only takes parts of names, e.g. --only=na2m_table3
--only=spl_figure4_spl_m. Exit code 1 when one fails.
"""

import dataclasses
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
flags.DEFINE_string("output_dir", None, "Folder for videos, runs and logs.", flag_values=FLAGS)
flags.DEFINE_multi_string("only", [], "Part of a row's name, repeatable.", flag_values=FLAGS)
flags.mark_flag_as_required("output_dir", flag_values=FLAGS)

_ROOT = pathlib.Path(__file__).parents[2]
_PAPERS = "gin/papers"
_STATE = "passed.json"


@dataclasses.dataclass
class _State:
    """Digest of package and gin files, and rows that went through with them -> seconds."""

    sources: str
    passed: dict[str, float]


def main() -> int:
    from tqdm import tqdm

    from spl_tf import files
    from spl_tf.errors import UserError
    from spl_tf.stored import read_json

    rows = {f"{_name(table)}_{name}": (table, name) for table in paper_tables() for name in _arms(table)}
    rows = {key: row for key, row in rows.items() if not FLAGS.only or any(part in key for part in FLAGS.only)}
    if not rows:
        raise UserError(f"--only={FLAGS.only}: no row of {_PAPERS} has this in its name")
    output_dir = pathlib.Path(FLAGS.output_dir).absolute()
    with files.locked(output_dir, "the smoke runs"):
        state_path, sources = output_dir / _STATE, _digest_of_sources()
        state = read_json(state_path, _State, f"delete {output_dir}") if state_path.exists() else _State(sources, {})
        passed = state.passed if state.sources == sources else {}
        if not passed:
            for table in paper_tables():
                shutil.rmtree(output_dir / _name(table), ignore_errors=True)
        failed = []
        with tqdm(rows, desc="rows", unit="row") as bar:
            for key in bar:
                bar.set_description(key)
                if key in passed:
                    continue
                seconds = _run(*rows[key], output_dir, output_dir / f"{key}.log")
                if seconds is None:
                    failed.append(key)
                    bar.write(f"{key} failed: see {output_dir / key}.log")
                    continue
                passed[key] = round(seconds, 1)
                files.write_json(state_path, {"sources": sources, "passed": passed})
    print(f"{len(rows) - len(failed)} of {len(rows)} rows ran to their end")
    return 1 if failed else 0


def paper_tables() -> list[str]:
    """Names of the gin files of tables and figures, "papers/spl/table1.gin"; the others are included by them."""
    paths = sorted((_ROOT / _PAPERS).glob("*/*.gin"))
    return [f"papers/{path.parent.name}/{path.name}" for path in paths if re.fullmatch(r"(table|figure)\d+", path.stem)]


def _name(table: str) -> str:
    """Of its folder, spl_table1."""
    path = pathlib.PurePath(table)
    return f"{path.parent.name}_{path.stem}"


def _parse(table: str) -> list[str]:
    """Names of the gin files, which are parsed."""
    from spl_tf import configuration

    gin_files = [table, str(pathlib.PurePath(table).with_name("smoke.gin"))]
    configuration.parse(gin_files)
    return gin_files


def _arms(table: str) -> list[str]:
    from spl_tf.experiment.arms import configured_arms

    _parse(table)
    return [arm.name for arm in configured_arms()]


def _run(table: str, arm: str, output_dir: pathlib.Path, log: pathlib.Path) -> float | None:
    """Runs a row of a table; returns its seconds, None if it failed."""
    from spl_tf.experiment.arms import configured_arms
    from tools.smoke.videos import wanted_sets, write_set

    gin_files = _parse(table)
    here = output_dir / _name(table)  # Whence the paths of the gin files are relative.
    for folder, wanted in wanted_sets(configured_arms()):
        write_set(wanted, here / folder)
    shutil.rmtree(here / "run" / "seed0" / arm, ignore_errors=True)
    started = time.monotonic()
    arguments = [*(f"--gin_file={file}" for file in gin_files), "--output_dir=run", f"--arms={arm}"]
    with open(log, "wb") as opened:
        code = subprocess.call(
            [sys.executable, "-m", "spl_tf.recipe", *arguments],
            stdout=opened,
            stderr=subprocess.STDOUT,
            cwd=here,
            env=os.environ | {"PYTHONPATH": str(_ROOT)},
        )
    return time.monotonic() - started if code == 0 else None


def _digest_of_sources() -> str:
    paths = [path for pattern in ("spl_tf/**/*.py", "gin/**/*.gin") for path in _ROOT.glob(pattern)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
