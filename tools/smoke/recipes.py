"""Runs every recipe of the paper from beginning to end, each at the sizes of smoke.gin, on videos of noise.

  python -m tools.smoke.recipes --output_dir=runs/smoke

For each gin file, spl_tf.recipe runs in a process of its own; its output is in OUTPUT_DIR/NAME.log. Recipes that
went through are not run again unless the package or a gin file has changed since. --only takes parts of
names, e.g. --only=table1 --only=figure4_spl_m. Exit code 1 when one fails.
"""

import hashlib
import pathlib
import shutil
import subprocess
import sys
import time

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
flags.DEFINE_string("output_dir", None, "Folder for videos, runs and logs.", flag_values=FLAGS)
flags.DEFINE_multi_string("only", [], "Part of a recipe's name, repeatable.", flag_values=FLAGS)
flags.mark_flag_as_required("output_dir", flag_values=FLAGS)

_ROOT = pathlib.Path(__file__).parents[2]
_FOLDER = "papers/spl"
_STATE = "passed.json"


def main() -> int:
    from tqdm import tqdm

    from spl_tf import files
    from spl_tf.errors import UserError

    names = [path.stem for path in sorted((_ROOT / "gin" / _FOLDER).glob("[tf]*_*.gin"))]
    names = [name for name in names if not FLAGS.only or any(part in name for part in FLAGS.only)]
    if not names:
        raise UserError(f"--only={FLAGS.only}: no recipe of gin/{_FOLDER} has this in its name")
    output_dir = pathlib.Path(FLAGS.output_dir).absolute()
    with files.locked(output_dir, "the smoke runs"):
        state_path, sources = output_dir / _STATE, _digest_of_sources()
        state = files.read_json(state_path, f"delete {output_dir}") if state_path.exists() else {}
        passed = state.get("passed", {}) if state.get("sources") == sources else {}
        failed = []
        with tqdm(names, desc="recipes", unit="recipe") as bar:
            for name in bar:
                bar.set_description(name)
                if name in passed:
                    continue
                seconds = _run(name, output_dir)
                if seconds is None:
                    failed.append(name)
                    bar.write(f"{name} failed: see {output_dir / name}.log")
                    continue
                passed[name] = round(seconds, 1)
                files.write_json(state_path, {"sources": sources, "passed": passed})
    print(f"{len(names) - len(failed)} of {len(names)} recipes ran to their end")
    return 1 if failed else 0


def _run(name: str, output_dir: pathlib.Path) -> float | None:
    """Runs a recipe; returns its seconds, None if it failed."""
    from spl_tf import configurables, configuration  # noqa: F401  The first registers what a file may name.
    from tools.smoke.videos import wanted_set, write_set

    gin_files = [f"{_FOLDER}/{name}.gin", f"{_FOLDER}/smoke.gin"]
    configuration.parse(gin_files)
    wanted = wanted_set(configuration.stage_bindings("finetune"))
    data = output_dir / "videos" / wanted.name
    write_set(wanted, data)
    shutil.rmtree(output_dir / name, ignore_errors=True)
    started = time.monotonic()
    arguments = [f"--gin_param=DATA='{data}'", f"--output_dir={output_dir / name}"]
    with open(output_dir / f"{name}.log", "wb") as log:
        code = subprocess.call(
            [sys.executable, "-m", "spl_tf.recipe", *(f"--gin_file={file}" for file in gin_files), *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=_ROOT,
        )
    return time.monotonic() - started if code == 0 else None


def _digest_of_sources() -> str:
    paths = [path for pattern in ("spl_tf/**/*.py", "gin/**/*.gin") for path in _ROOT.glob(pattern)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
