"""What it costs to decode a video and scale its frames, beside OpenCV's reader.

    python -m tools.benchmark.decoding a.mp4 b.mp4 --rounds=9

Both read the same file in one thread and scale every frame, turn by turn. What counts is processor time, which other
work on the machine changes less; the least time of several short files is changed least.
"""

import collections
import itertools
import pathlib
import resource
import statistics
import time
from collections.abc import Callable, Sequence

import cv2
from absl import app, flags

from spl_tf.data.video.reader import VideoReader
from spl_tf.data.video.scaling import frames_in_turn, scaled, scaled_in_turn, scaled_size
from spl_tf.errors import UserError
from tools.benchmark.record import define_results_flag, publish

_ROUNDS = flags.DEFINE_integer("rounds", 9, "Readings of each file by each reader.", lower_bound=1)
_SHORT_SIDE = flags.DEFINE_integer("short_side", 128, "Of the scaled frames, pixels.", lower_bound=1)
define_results_flag(flags.FLAGS)


def main(argv: Sequence[str]) -> None:
    if len(argv) < 2:
        raise app.UsageError("name the videos to read")
    cv2.setNumThreads(1)
    rows, least = [], collections.Counter[str]()
    for path in argv[1:]:
        readers = {"spl_tf": _read, "OpenCV": _read_by_opencv}
        seconds: dict[str, list[float]] = {name: [] for name in readers}
        frames = {}
        for _ in range(_ROUNDS.value):
            for name, read in readers.items():
                frames[name], spent = _timed(read, path)
                seconds[name].append(spent)
        ratios = sorted(theirs / ours for ours, theirs in zip(seconds["spl_tf"], seconds["OpenCV"], strict=True))
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        speed = frames["spl_tf"] / statistics.median(seconds["spl_tf"])
        rows.append([pathlib.PurePath(path).name, *frames.values(), f"{speed:,.0f}", spread])
        least.update({name: min(spent) for name, spent in seconds.items()})
    headers = ["video", "frames", "by OpenCV", "frames a second", "OpenCV's time / ours"]
    rows.append(["all, of the least times", "", "", "", f"{least['OpenCV'] / least['spl_tf']:.3f}"])
    table, results = f"short side {_SHORT_SIDE.value}", flags.FLAGS.results
    publish("decoding", table, headers, rows, results=results, packages=["av"])
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


def _timed(read: Callable[[str], int], path: str) -> tuple[int, float]:
    begin = time.process_time()
    count = read(path)
    return count, time.process_time() - begin


def _read(path: str) -> int:
    """As clips are cut: see `spl_tf.data.building.cutting`."""
    reader, count = VideoReader(path), 0
    size = scaled_size(reader.height, reader.width, _SHORT_SIDE.value)
    pictures = (reader.later() for _ in reader)
    while turn := list(itertools.islice(pictures, frames_in_turn(reader.height, reader.width))):
        count += len(scaled_in_turn(turn, *size))
    reader.close()
    return count


def _read_by_opencv(path: str) -> int:
    capture, count = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1]), 0
    if not capture.isOpened():
        raise UserError(f"OpenCV cannot open {path}: give another video")
    height, width = (int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH))
    size = scaled_size(height, width, _SHORT_SIDE.value)
    while capture.grab():
        found, frame = capture.retrieve()
        if found:
            scaled(frame, *size)
            count += 1
    capture.release()
    return count


if __name__ == "__main__":
    app.run(main)
