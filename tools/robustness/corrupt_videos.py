"""Corrupts the bytes of a list's video files and lists those that can still be decoded: a step before spl_tf.shard.

  python -m tools.robustness.corrupt_videos --list=train.csv --output_dir=random --kind=random
  python -m tools.robustness.corrupt_videos --list=train.csv --output_dir=contiguous --kind=contiguous

--list is a list as spl_tf.shard reads it; rows of one file (segments) are one video. --kind is one of

  random      each bit of a file is flipped with --probability, 1e-4 when not given
  contiguous  one segment of --share of the file's length, 0.75 when not given, is replaced; where it begins is drawn.
              --mode=invert flips all its bits (NoisyActions2M), --mode=random puts random bits there (Chang et al.)

Headers and indices are corrupted like the rest, so some files cannot be decoded any more. Each is decoded to its end by
the reader of spl_tf.shard, in processes of their own: whatever happens to one, or takes longer than
--seconds_per_video, costs that video alone. A video remains when at least --least_frames frames of it can be decoded,
17 when not given: the authors' training passed over videos of 16 and fewer.

What becomes of a file depends on --seed and its name in the list, without `..` or `/` at its begin: not on the order of
rows, --workers or earlier runs. A killed run goes on with the same command.

Written into --output_dir, for --list=train.csv:

  videos/          the corrupted files by their names in the list, those that cannot be decoded too
  train.csv        the rows whose video remains, with its new path; all else stays
  train.lost.csv   path,reason,frames,uncorrupted_frames of each video that does not remain: why, how many frames can be
                   decoded, and how many of the file as it was
  corruption.json  settings, and of each video its checksum, size, flipped bits and frames
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import av
from absl import flags

from spl_tf import command, files
from spl_tf.data.lists.class_folders import manifest_digest
from spl_tf.data.lists.csv_tables import PATH
from spl_tf.errors import UserError
from spl_tf.output_folders import require_own_folder
from spl_tf.text_tables import counted, reason_kind
from tools.collect import tables
from tools.robustness.corrupted_set import VIDEOS, Corrupted, Setting, Workers, corrupt_videos
from tools.robustness.corruption import ContiguousSegment, Corruption, RandomFlips
from tools.robustness.decodable import Decoded
from tools.robustness.labelled_list import read_texts
from tools.robustness.listed_files import ListedFiles, find_files

FLAGS = flags.FlagValues()
flags.DEFINE_string("list", None, "List of videos.", flag_values=FLAGS)
flags.DEFINE_string("output_dir", None, "Folder for videos and lists.", flag_values=FLAGS)
flags.DEFINE_enum("kind", None, ["random", "contiguous"], "Of the corruption.", flag_values=FLAGS)
flags.DEFINE_float("probability", 1e-4, "That a bit is flipped, of --kind=random.", flag_values=FLAGS)
flags.DEFINE_float("share", 0.75, "Of the file that is replaced, of --kind=contiguous.", flag_values=FLAGS)
flags.DEFINE_enum("mode", "invert", ["invert", "random"], "Of --kind=contiguous.", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Of the draws.", flag_values=FLAGS)
flags.DEFINE_integer("least_frames", 17, "A video that gives fewer is lost.", flag_values=FLAGS)
flags.DEFINE_integer("workers", None, "Processes; one per core when not given.", flag_values=FLAGS)
flags.DEFINE_float("seconds_per_video", 600.0, "A video that takes longer is lost.", flag_values=FLAGS)

LOST_COLUMNS = ("path", "reason", "frames", "uncorrupted_frames")
_LOST = ".lost.csv"


def main() -> None:
    command.require_flags(FLAGS, "list", "output_dir", "kind")
    corruption = _corruption()
    workers = _workers()
    path, folder = pathlib.Path(FLAGS.list), pathlib.Path(FLAGS.output_dir)
    require_own_folder("output_dir", folder)
    columns, rows = read_texts(path)
    listed = find_files(path if path.is_dir() else path.parent, [row[PATH] for row in rows])
    _require_apart(path, folder, listed.sources.values())
    settings: dict[str, Setting] = {
        **{"kind": FLAGS.kind, **dataclasses.asdict(corruption), "seed": FLAGS.seed},
        **{"list": path.name, "list_sha256": manifest_digest(path), "decoder": f"PyAV {av.__version__}"},
    }
    with files.locked(folder, "the corrupted videos"):
        videos = corrupt_videos(folder, listed.sources, corruption, FLAGS.seed, settings, workers)
        lost = {name: reason for name, video in videos.items() if (reason := _why_lost(video))}
        uncorrupted = _uncorrupted([listed.sources[name] for name in lost], workers)
        output = folder / f"{path.resolve().stem}.csv"
        _write_lost(output.with_suffix(_LOST), listed, videos, lost, uncorrupted)
        names = {place: name for place, name in listed.names.items() if name not in lost}
        kept = [row | {PATH: f"{VIDEOS}/{names[row[PATH]]}"} for row in rows if row[PATH] in names]
        tables.write(output, columns, (list(row.values()) for row in kept))
    print(_summary(output, videos, lost, listed.faults, uncorrupted, (len(kept), len(rows))))


def _corruption() -> Corruption:
    for name in ("probability", "share"):
        if not 0 <= FLAGS[name].value <= 1:
            raise UserError(f"--{name}={FLAGS[name].value:g}: give a number from 0 to 1")
    if FLAGS.seed < 0 or FLAGS.least_frames < 1:
        raise UserError(f"--seed={FLAGS.seed}, --least_frames={FLAGS.least_frames}: give at least 0 and 1")
    unused = ("share", "mode") if FLAGS.kind == "random" else ("probability",)
    command.require_unset(FLAGS, unused, f"not of --kind={FLAGS.kind}, leave them out")
    if FLAGS.kind == "random":
        return RandomFlips(FLAGS.probability)
    return ContiguousSegment(FLAGS.share, FLAGS.mode)


def _workers() -> Workers:
    number = (os.cpu_count() or 1) if FLAGS.workers is None else FLAGS.workers
    if number < 1 or not FLAGS.seconds_per_video > 0:
        raise UserError(f"--workers={number}, --seconds_per_video={FLAGS.seconds_per_video:g}: both must be above 0")
    return Workers(number, FLAGS.seconds_per_video)


def _require_apart(path: pathlib.Path, folder: pathlib.Path, sources: Iterable[str]) -> None:
    """Refuses to read where is written to: a corrupted video must not be taken for a clean one."""
    place = pathlib.Path(os.path.realpath(folder))
    for source in (os.fspath(path), *sources):
        if pathlib.Path(os.path.realpath(source)).is_relative_to(place):
            raise UserError(f"{source} lies in --output_dir={folder}, which is written to: choose another folder")
    if path.is_dir() and place.is_relative_to(os.path.realpath(path)):
        raise UserError(f"--output_dir={folder} lies in --list={path}, whose files are read: choose another folder")


def _why_lost(video: Corrupted) -> str:
    """Empty where it is not."""
    if video.fault or video.frames >= FLAGS.least_frames:
        return video.fault
    return f"fewer than {FLAGS.least_frames} frames ({video.frames})"


def _uncorrupted(paths: Sequence[str], workers: Workers) -> list[int]:
    """How many frames the files of lost videos give as they were."""
    results = workers.decode("uncorrupted", paths)
    return [result.frames if isinstance(result, Decoded) else 0 for result in results]


def _write_lost(
    path: pathlib.Path,
    listed: ListedFiles,
    videos: Mapping[str, Corrupted],
    lost: Mapping[str, str],
    uncorrupted: Sequence[int],
) -> None:
    """What is no video file, then the lost videos with why, and how many frames they give now and gave before."""
    lines: list[tuple[str, str, int, int | None]] = [(place, fault, 0, None) for place, fault in listed.faults.items()]
    for (name, reason), frames in zip(lost.items(), uncorrupted, strict=True):
        lines.append((listed.paths[name], reason, videos[name].frames, frames))
    tables.write(path, LOST_COLUMNS, lines)


def _summary(
    output: pathlib.Path,
    videos: Mapping[str, Corrupted],
    lost: Mapping[str, str],
    faults: Mapping[str, str],
    uncorrupted: Sequence[int],
    rows: tuple[int, int],
) -> str:
    num_bits = 8 * sum(video.num_bytes for video in videos.values())
    num_flipped = sum(video.num_flipped for video in videos.values())
    all_lost = [*lost.values(), *faults.values()]
    total = len(videos) + len(faults)
    lines = [
        f"{output}: {total - len(all_lost):,} of {total:,} videos remain, {rows[0]:,} of {rows[1]:,} rows; "
        f"{num_flipped:,} of {num_bits:,} bits flipped ({num_flipped / max(num_bits, 1):.3e})"
    ]
    if all_lost:
        lines.append(
            f"lost {len(all_lost):,} ({counted(map(reason_kind, all_lost))}): see {output.with_suffix(_LOST).name}"
        )
    if before := sum(frames < FLAGS.least_frames for frames in uncorrupted):
        lines.append(f"{before:,} of the lost give fewer than {FLAGS.least_frames} frames uncorrupted, too")
    if len(all_lost) == total:
        raise UserError(f"{output} has no row, since {'; '.join(lines[1:])}: corrupt less, or check --list")
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
