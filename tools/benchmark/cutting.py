"""Videos to clips: `spl_tf.shard` as a whole command, beside ffmpeg writing the same frames as JPEG files.

  nox -s benchmark_cutting -- --manifest=data/ucf6/web.csv --label_column=query --classes=data/ucf6/classes.txt

ffmpeg scales to the same short side and frame rate at its best quality, a process for each video, as many at once as
there are cores, one thread each. It cuts no clips, checks nothing and plans nothing; `spl_tf.shard` does, but does not
look for copies here. In turns; seconds, and what was written.
"""

import concurrent.futures
import csv
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from tools.benchmark.contest import ratio
from tools.benchmark.record import define_results_flag, publish

FLAGS = flags.FlagValues()
flags.DEFINE_string("manifest", None, "Manifest of the videos, with a header.", flag_values=FLAGS)
flags.DEFINE_string("label_column", "query", "Its column of labels.", flag_values=FLAGS)
flags.DEFINE_string("classes", None, "File of their classes.", flag_values=FLAGS)
flags.DEFINE_multi_integer("videos", [40], "How many, from the first on, repeatable.", flag_values=FLAGS)
flags.DEFINE_integer("short_side", 128, "Of the frames, pixels.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("fps", 25, "Frames a second.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_float("clip_seconds", 2.56, "Of a clip.", flag_values=FLAGS)
flags.DEFINE_integer("rounds", 5, "Turns of each.", lower_bound=1, flag_values=FLAGS)
define_results_flag(FLAGS)

# Of ffmpeg's encoder, 2 (best) to 31.
_QUALITY = 2


def main() -> None:
    command.require_flags(FLAGS, "manifest", "classes")
    manifest = pathlib.Path(FLAGS.manifest)
    with open(manifest, newline="", encoding="utf-8") as opened:
        header, *listed = csv.reader(opened)
    place = header.index("path")
    for row in listed:
        row[place] = str((manifest.parent / row[place]).resolve())
    rows = []
    for count in FLAGS.videos:
        with tempfile.TemporaryDirectory() as temporary:
            rows += _measured(pathlib.Path(temporary), header, listed[:count], [row[place] for row in listed[:count]])
    headers = ["videos", "program", "seconds (least to most)", "times spl_tf.shard's", "MB written"]
    table = f"{', '.join(map(str, FLAGS.videos))} videos, short side {FLAGS.short_side}, {FLAGS.fps} frames a second"
    publish("cutting", table, headers, rows, results=FLAGS.results, packages=["av", "imageio-ffmpeg"])


def _measured(folder: pathlib.Path, header: list[str], listed: list[list[str]], paths: list[str]) -> list[list[str]]:
    """Rows of the table, of so many videos."""
    manifest, ffmpeg = folder / "videos.csv", _ffmpeg()
    with open(manifest, "w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([header, *listed])
    programs: dict[str, Callable[[pathlib.Path], None]] = {
        "spl_tf.shard": lambda output: _shard(manifest, output),
        f"ffmpeg {_version_of(ffmpeg)}": lambda output: _by_ffmpeg(ffmpeg, paths, output),
    }
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    written, order = {}, random.Random(0)
    for number in range(FLAGS.rounds):
        print(f"{len(paths)} videos, round {number + 1} of {FLAGS.rounds}", file=sys.stderr, flush=True)
        for name in order.sample(list(programs), len(programs)):
            output = folder / "output"
            begin = time.monotonic()
            programs[name](output)
            seconds[name].append(time.monotonic() - begin)
            written[name] = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
            shutil.rmtree(output)
    return [
        [
            str(len(paths)),
            name,
            f"{statistics.median(found):.1f} ({min(found):.1f} to {max(found):.1f})",
            ratio(found, seconds["spl_tf.shard"]),
            f"{written[name] / 1e6:.0f}",
        ]
        for name, found in seconds.items()
    ]


def _shard(manifest: pathlib.Path, output: pathlib.Path) -> None:
    # Copies are looked for by shard alone.
    values = {name: FLAGS[name].value for name in ("label_column", "classes", "clip_seconds", "fps", "short_side")}
    options = ["--keep_duplicates", *(f"--{name}={value}" for name, value in values.items())]
    _run([sys.executable, "-m", "spl_tf.shard", f"--manifest={manifest}", f"--output_dir={output}", *options])


def _by_ffmpeg(ffmpeg: str, paths: Sequence[str], output: pathlib.Path) -> None:
    side = FLAGS.short_side
    scale = f"fps={FLAGS.fps},scale='if(lt(iw,ih),{side},-1)':'if(lt(iw,ih),-1,{side})':flags=area"

    def one(number: int) -> None:
        folder = output / str(number)
        folder.mkdir(parents=True)
        quiet = ["-nostdin", "-loglevel", "error", "-threads", "1"]
        encoded = ["-vf", scale, "-an", "-threads", "1", "-q:v", str(_QUALITY), str(folder / "%05d.jpg")]
        _run([ffmpeg, *quiet, "-i", paths[number], *encoded])

    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(one, range(len(paths))))


def _run(arguments: Sequence[str]) -> None:
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{' '.join(arguments)} failed: {done.stderr.strip().splitlines()[-1:]}")


def _ffmpeg() -> str:
    """The program of imageio-ffmpeg, or the system's."""
    try:
        import imageio_ffmpeg
    except ImportError:
        if (found := shutil.which("ffmpeg")) is None:
            raise UserError("there is no ffmpeg: install it, or pip install imageio-ffmpeg") from None
        return found
    return imageio_ffmpeg.get_ffmpeg_exe()


def _version_of(ffmpeg: str) -> str:
    return subprocess.run([ffmpeg, "-version"], capture_output=True, text=True, check=True).stdout.split()[2]


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
