"""Measures runs of spl_tf.shard for `tools.cost.cutting`: processor time, with one worker, and bytes.

  python -m tools.cost.measure_cutting --manifest=web.csv --classes=classes.txt --label_column=query --folder=runs/cost

The videos are the first of the manifest, as they are and enlarged to other sizes (H.264). What is written goes to
results/cutting_cost.csv, a row a run.
"""

import ast
import csv
import dataclasses
import fractions
import itertools
import os
import pathlib
import subprocess
import sys

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
for _name, _default, _help in (
    ("manifest", None, "Of small videos, a CSV file with a column path."),
    ("classes", None, "The classes file."),
    ("label_column", "label", "Column of the manifest with the class name."),
    ("folder", None, "For videos and shards."),
):
    flags.DEFINE_string(_name, _default, _help, flag_values=FLAGS)
flags.mark_flags_as_required(["manifest", "classes", "folder"], flag_values=FLAGS)

# Number of videos, height or None for the file's own, short side, frames per second, whether copies are looked for.
_RUNS = (
    (10, None, 72, 10.0, False),
    (40, None, 72, 10.0, False),
    (40, None, 128, 25.0, True),
    (40, None, 256, 25.0, False),
    (80, None, 128, 10.0, True),
    (12, 360, 128, 10.0, False),
    (12, 360, 256, 25.0, True),
    (6, 720, 256, 10.0, True),
    (6, 720, 256, 25.0, False),
    (6, 720, 72, 5.0, True),
    (20, None, 72, 10.0, True),
    (20, None, 256, 5.0, False),
    (6, 360, 72, 5.0, False),
    (4, 720, 128, 10.0, False),
)

_ONE = """
import sys
from spl_tf.data.building.shards import write_shards
from spl_tf.labels.classes import read_classes
from tools.benchmark.processes import processor_seconds
manifest, output, classes, label_column, short_side, fps, keep = sys.argv[1:]
write_shards(manifest, output, classes=read_classes(classes), label_column=label_column, clip_seconds=10.0,
             short_side=int(short_side), fps=float(fps), keep_duplicates=keep == "True", workers=1)
print(processor_seconds())
"""


def main() -> None:
    from spl_tf import files
    from spl_tf.data.dataset import load_dataset
    from tools.cost.cutting_model import RUNS, Work, work_of
    from tools.cost.videos import measured

    folder, rows = pathlib.Path(FLAGS.folder), []
    for count, height, short_side, fps, compares in _RUNS:
        name = f"{count} videos of {height or 'their own'} lines, {short_side} pixels at {fps:g}"
        name += ", copies looked for" if compares else ""
        manifest = _manifest(folder / f"{height or 'own'}", count, height)
        output = folder / name.replace(" ", "_").replace(",", "")
        arguments = [manifest, output, FLAGS.classes, FLAGS.label_column, short_side, fps, not compares]
        run = [sys.executable, "-c", _ONE, *map(str, arguments)]
        answer = subprocess.run(run, stdout=subprocess.PIPE, text=True, check=True)
        dataset = load_dataset(output)
        videos, *_ = measured(manifest, None)
        work = work_of(videos, clip_seconds=10.0, fps=fps, short_side=short_side, compares=compares)
        seconds = ast.literal_eval(answer.stdout.split()[-1])
        num_bytes = sum(shard.num_bytes for shard in dataset.shards)
        rows.append([name, *(round(part, 3) for part in dataclasses.astuple(work)), round(seconds, 3), num_bytes])
        print(*rows[-1], sep=", ", flush=True)
    with files.atomic_path(RUNS) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        csv.writer(opened, lineterminator="\n").writerows(
            [["run", *(field.name for field in dataclasses.fields(Work)), "seconds", "bytes"], *rows]
        )


def _manifest(folder: pathlib.Path, count: int, height: int | None) -> pathlib.Path:
    """A manifest of the first videos, enlarged unless `height` is None."""
    source = pathlib.Path(FLAGS.manifest)
    folder.mkdir(parents=True, exist_ok=True)
    with open(source, newline="", encoding="utf-8") as opened:
        rows = list(itertools.islice(csv.DictReader(opened), count))
    for row in rows:
        path = source.parent / row["path"]
        row["path"] = os.path.abspath(path if height is None else _enlarged(path, folder, height))
    path = folder / f"{count}.csv"
    with open(path, "w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, ["path", FLAGS.label_column], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _enlarged(path: pathlib.Path, folder: pathlib.Path, height: int) -> pathlib.Path:
    import av

    from spl_tf import files

    larger = folder / path.name
    if larger.exists():
        return larger
    with files.atomic_path(larger) as temporary, av.open(str(path)) as source, av.open(str(temporary), "w") as target:
        stream = source.streams.video[0]
        rate = fractions.Fraction(round(float(stream.average_rate)), 1)
        written = target.add_stream("libx264", rate=rate, options={"preset": "veryfast"})
        written.width, written.height = 2 * round(height * stream.width / stream.height / 2), height
        written.pix_fmt = "yuv420p"
        for number, frame in enumerate(source.decode(stream)):
            frame = frame.reformat(written.width, written.height, "yuv420p")
            frame.pts, frame.time_base = number, 1 / rate
            target.mux(written.encode(frame))
        target.mux(written.encode(None))
    return larger


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
