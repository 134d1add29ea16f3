"""Labels for many pairs (count, map, write), beside what polars, DuckDB and bare pyarrow take for the same.

  nox -s benchmark_labels -- --pairs=24000000 --folder=/tmp/made

Each gets the same side-cars of predictions, 48 bytes a pair once unpacked, counts the matrix of 400 classes and writes,
shard by shard, clip ids, the labels of spl_b and weights in zstd. They run in turns, each in a process of its own.
"pyarrow" reads and writes alone, in threads: what the files cost. spl_tf also checks every cell and page, and writes
checksums, a summary and two figures, which the others do not. Median, least and most of all seconds; ratios are paired.
"""

import concurrent.futures
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
from absl import flags

from spl_tf import command
from tools.benchmark.record import define_results_flag, publish

FLAGS = flags.FlagValues()
flags.DEFINE_integer("pairs", 24_000_000, "How many clips there are.", flag_values=FLAGS)
flags.DEFINE_integer("rounds", 3, "Turns of each.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_string("folder", None, "For the made predictions, which are kept, and the labels.", flag_values=FLAGS)
flags.DEFINE_string("only", None, "One of them, once: prints its seconds.", flag_values=FLAGS)
define_results_flag(FLAGS)

_PER_SHARD = 1_000_000
_CLASSES = 400


def main() -> None:
    command.require_flags(FLAGS, "folder")
    folder = pathlib.Path(FLAGS.folder)
    predictions = folder / f"predictions-{FLAGS.pairs}"
    if FLAGS.only:
        print(_CONTENDERS[FLAGS.only](predictions, folder / FLAGS.only))
        return
    if not predictions.exists():
        _make(predictions, FLAGS.pairs)
    seconds: dict[str, list[float]] = {name: [] for name in _CONTENDERS}
    for _ in range(FLAGS.rounds):
        for name, measured in seconds.items():
            arguments = [f"--only={name}", f"--folder={folder}", f"--pairs={FLAGS.pairs}"]
            done = subprocess.run(
                [sys.executable, "-m", "tools.benchmark.labels", *arguments], check=True, capture_output=True, text=True
            )
            measured.append(float(done.stdout.split()[-1]))
    rows = [
        [name, *map(_spread, (measured, [own / one for own, one in zip(measured, seconds["spl_tf"], strict=True)]))]
        for name, measured in seconds.items()
    ]
    table = f"{FLAGS.pairs:,} pairs, {_CLASSES} classes"
    headers = ["", "seconds", "times spl_tf's"]
    publish("labels", table, headers, rows, results=FLAGS.results, packages=["polars", "duckdb", "pyarrow"])


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _spl_tf(predictions: pathlib.Path, output: pathlib.Path) -> float:
    import shutil

    from spl_tf.labels.assign import assign_labels

    shutil.rmtree(output, ignore_errors=True)
    return _seconds(lambda: assign_labels(predictions, "spl_b", output))


def _polars(predictions: pathlib.Path, output: pathlib.Path) -> float:
    import polars as pl

    output.mkdir(exist_ok=True)
    weak, teacher = pl.col("weak"), pl.col("teacher")
    label = pl.when(weak == teacher).then(weak).otherwise(weak + _CLASSES).cast(pl.Int32).alias("label")

    def run() -> None:
        pl.scan_parquet(predictions / "*.parquet").group_by("weak", "teacher").len().collect()
        for path in sorted(predictions.glob("*.parquet")):
            rows = pl.scan_parquet(path).select("clip_id", label, pl.lit(1.0, pl.Float32).alias("weight"))
            rows.sink_parquet(output / path.name, compression="zstd")

    return _seconds(run)


def _duckdb(predictions: pathlib.Path, output: pathlib.Path) -> float:
    import duckdb

    output.mkdir(exist_ok=True)

    def run() -> None:
        files = f"read_parquet('{predictions}/*.parquet')"
        duckdb.sql(f"SELECT weak, teacher, count(*) FROM {files} GROUP BY ALL").fetchall()
        for path in sorted(predictions.glob("*.parquet")):
            label = f"CASE WHEN weak = teacher THEN weak ELSE weak + {_CLASSES} END::INTEGER AS label"
            rows = f"SELECT clip_id, {label}, 1::FLOAT AS weight FROM read_parquet('{path}')"
            duckdb.sql(f"COPY ({rows}) TO '{output / path.name}' (FORMAT parquet, COMPRESSION zstd)")

    return _seconds(run)


def _pyarrow(predictions: pathlib.Path, output: pathlib.Path) -> float:
    import os

    import pyarrow as pa
    import pyarrow.parquet as pq

    output.mkdir(exist_ok=True)

    def copy(path: pathlib.Path) -> None:
        table = pq.read_table(path, columns=["clip_id", "weak"], use_threads=False)
        weights = pa.array(np.ones(table.num_rows, np.float32))
        table = table.append_column("weight", weights)
        pq.write_table(table, output / path.name, compression="zstd", use_dictionary=["weak", "weight"])

    def run() -> None:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(copy, sorted(predictions.glob("*.parquet"))))

    return _seconds(run)


_CONTENDERS: dict[str, Callable[[pathlib.Path, pathlib.Path], float]] = {
    "spl_tf": _spl_tf,
    "polars": _polars,
    "duckdb": _duckdb,
    "pyarrow": _pyarrow,
}


def _seconds(call: Callable[[], object]) -> float:
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def _make(folder: pathlib.Path, pairs: int) -> None:
    """Side-cars of a million clips each, queries right for half of them."""
    from tqdm import tqdm

    from spl_tf.labels.predictions import Predictions, write_index
    from spl_tf.labels.sidecar_files import Header, ids_digest, write_predictions

    folder.mkdir(parents=True)
    generator, shards = np.random.default_rng(0), {}
    for start in tqdm(range(0, pairs, _PER_SHARD), desc="making predictions", unit="shard"):
        count = min(_PER_SHARD, pairs - start)
        ids = [f"{number // 8:08d}@{number % 8 * 10:06.1f}" for number in range(start, start + count)]
        weak = generator.integers(_CLASSES, size=count)
        teacher = np.where(generator.random(count) < 0.5, weak, generator.integers(_CLASSES, size=count))
        name = f"web-{start // _PER_SHARD:05d}"
        columns = {"clip_ids": ids, "weak": weak, "teacher": teacher, "confidence": generator.random(count)}
        write_predictions(folder / f"{name}.parquet", **columns, shard_fingerprint="made", made_by={"model": "made"})
        shards[name] = Header(count, "made", ids_digest(ids), {"model": "made"})
    classes = tuple(f"class {number}" for number in range(_CLASSES))
    write_index(Predictions(folder, classes, shards), {"model": "made"})


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
