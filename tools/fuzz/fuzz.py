"""Changes files at random and reads them: every reader must give a value or one line, never a traceback.

  python -m tools.fuzz.fuzz --seconds=20 --output_dir=runs/fuzz
  python -m tools.fuzz.fuzz --only=gin --only=manifest --seed=7

Every reader of tools/fuzz/readers.py gets changed files for --seconds, in a process of its own: one that ends it (a
crash inside a library, more than --gigabytes of memory, no answer within a minute) is a find too. What was found lies
in OUTPUT_DIR/READER/, one file a find, with the traceback beside it. Exit code 1 when there is any.
"""

import multiprocessing
import pathlib
import random
import resource
import signal
import sys
import tempfile
import time
import traceback

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
flags.DEFINE_float("seconds", 10.0, "For each reader.", flag_values=FLAGS)
flags.DEFINE_multi_string("only", [], "Name of a reader, repeatable; all by default.", flag_values=FLAGS)
flags.DEFINE_string("output_dir", None, "Folder for what is found.", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Of the changes.", flag_values=FLAGS)
flags.DEFINE_float("gigabytes", 2.0, "Memory a reader may take beyond what it begins with.", flag_values=FLAGS)
flags.mark_flag_as_required("output_dir", flag_values=FLAGS)

_SECONDS_OF_ONE = 60


def main() -> int:
    from spl_tf.errors import UserError
    from tools.fuzz.readers import READERS

    if unknown := [name for name in FLAGS.only if name not in READERS]:
        raise UserError(f"--only={unknown[0]}: there is no such reader, give some of {', '.join(READERS)}")
    found = 0
    for name in FLAGS.only or READERS:
        output_dir = pathlib.Path(FLAGS.output_dir, name)
        output_dir.mkdir(parents=True, exist_ok=True)
        arguments = (name, output_dir, FLAGS.seconds, FLAGS.seed, FLAGS.gigabytes)
        process = multiprocessing.get_context("spawn").Process(target=_run, args=arguments)
        process.start()
        process.join()
        if process.exitcode:
            print(f"{name}: the process ended with {process.exitcode} on {output_dir / 'last'}")
        finds = sorted(path for path in output_dir.glob("*.txt"))
        print(f"{name}: {len(finds)} finds" + "".join(f"\n  {path}" for path in finds), flush=True)
        found += len(finds) + bool(process.exitcode)
    return 1 if found else 0


def _run(name: str, output_dir: pathlib.Path, seconds: float, seed: int, gigabytes: float) -> None:
    from spl_tf import configurables  # noqa: F401  What a gin file may name.
    from tools.fuzz.mutation import mutated
    from tools.fuzz.readers import READERS
    from tools.fuzz.trial import fault_of

    reader, chance = READERS[name], random.Random(f"{seed} {name}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        reader.write(folder)
        whole = (folder / reader.file).read_bytes()
        if fault := fault_of(reader, folder, whole):
            raise AssertionError(f"{name} cannot read what is whole") from fault
        _limit_memory(gigabytes)
        end, trials, known = time.monotonic() + seconds, 0, set()
        while time.monotonic() < end:
            content = mutated(whole, chance)
            (output_dir / "last").write_bytes(content)
            signal.alarm(_SECONDS_OF_ONE)
            fault = fault_of(reader, folder, content)
            signal.alarm(0)
            trials += 1
            if fault is not None:
                where = traceback.extract_tb(fault.__traceback__)[-1]
                if (kind := (type(fault).__name__, where.filename, where.lineno)) not in known:
                    known.add(kind)
                    stem = output_dir / f"{type(fault).__name__}-{len(known)}"
                    stem.with_suffix(".bin").write_bytes(content)
                    stem.with_suffix(".txt").write_text("".join(traceback.format_exception(fault)), "utf-8", "replace")
        (output_dir / "last").unlink()
        print(f"{name}: {trials:,} files", file=sys.stderr, flush=True)


def _limit_memory(gigabytes: float) -> None:
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
