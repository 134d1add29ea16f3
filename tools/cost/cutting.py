"""What spl_tf.shard takes at size: shards, bytes, requests and hours for a list of videos, hosts and a store.

  python -m tools.cost.cutting --manifest=web.csv --hosts=16 --cores=32 --store=objects
  python -m tools.cost.cutting --manifest=web.csv --videos=2000000 --hosts=64 --cores=16 --clips=2200000

Nothing is decoded: the headers of --sample videos are read. Processor time is that of a model fitted on the runs of
results/cutting_cost.csv, of which the error on a run that was left out is printed; other processors than its need
--speed. Hours are the longer of processor and reading, stage by stage:

  planning  by one task: all files are read twice, for fingerprints (decoded whole) and for their times; with
            --keep_duplicates once
  cutting   by all tasks, one a host: files are read once more

Requests to the store count reads of --store's size (a folder: 1 MB, as NFS reads; objects: 8 MB), one to open each
file, writes alike, and what the tasks' claims need. How many clips are cut and how large frames are follows from the
sample; with --clips, of a quota, each clip costs as one of the sample.
"""

import dataclasses
import math
import pathlib

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
flags.DEFINE_string("manifest", None, "Manifest of the videos, or of some like them.", flag_values=FLAGS)
for _name, _default, _help in (
    ("videos", None, "Videos in all; by default the manifest's rows."),
    ("clips", None, "Clips in all, where a quota decides; by default all windows."),
    ("sample", 200, "Videos whose headers are read."),
    ("hosts", 1, "Hosts, a task on each."),
    ("cores", 1, "Cores of a host, a worker on each."),
    ("short_side", 256, "As of spl_tf.shard."),
):
    flags.DEFINE_integer(_name, _default, _help, lower_bound=1, flag_values=FLAGS)
for _name, _default, _help in (
    ("clip_seconds", 10.0, "As of spl_tf.shard."),
    ("fps", 25.0, "As of spl_tf.shard."),
    ("speed", 1.0, "Of a core, as a multiple of that of the measured runs."),
    ("megabytes_per_second", 200.0, "That a host reads from the store."),
):
    flags.DEFINE_float(_name, _default, _help, lower_bound=0.0, flag_values=FLAGS)
flags.DEFINE_boolean("keep_duplicates", False, "As of spl_tf.shard: no copies are looked for.", flag_values=FLAGS)
flags.DEFINE_enum(
    "store", "folder", ["folder", "objects"], "A shared folder, or a mounted object store.", flag_values=FLAGS
)
flags.mark_flag_as_required("manifest", flag_values=FLAGS)

_REQUEST_BYTES = {"folder": 1e6, "objects": 8e6}
_SHARD_BYTES = 100e6
# A claim: looked for, written, linked, unlinked; a note likewise; its file renamed. A beat: opened, written.
_REQUESTS_PER_SHARD = 10
_REQUESTS_PER_BEAT = 2
_SECONDS_PER_BEAT = 10.0


def main() -> None:
    from spl_tf.errors import UserError
    from tools.cost.cutting_model import (
        NOTHING,
        fitted,
        left_out_errors,
        read_runs,
        typical,
        work_of,
        work_of_looking,
    )
    from tools.cost.videos import measured

    if not (FLAGS.fps and FLAGS.speed and FLAGS.megabytes_per_second):
        raise UserError("--fps, --speed, --megabytes_per_second: give numbers above 0")
    some, tried, rows = measured(pathlib.Path(FLAGS.manifest), FLAGS.sample)
    runs = read_runs()
    model, errors = fitted(runs), list(left_out_errors(runs).values())
    videos = (FLAGS.videos or rows) * len(some) / tried
    scale = videos / len(some)
    seconds = sum(video.cut_seconds(FLAGS.clip_seconds, FLAGS.fps) for video in some) * scale
    clips = videos if FLAGS.clip_seconds == 0 else max(videos, seconds / FLAGS.clip_seconds)
    share = 1.0 if FLAGS.clips is None else min(1.0, FLAGS.clips / clips)
    settings = {"clip_seconds": FLAGS.clip_seconds, "fps": FLAGS.fps, "short_side": FLAGS.short_side}
    work = work_of(some, **settings, compares=False)
    source = sum(video.num_bytes for video in some) * scale
    stored = model.num_bytes(work) * scale * share
    shards = max(4, math.ceil(stored / _SHARD_BYTES))

    def hours(processor: float, read: float, hosts: int) -> float:
        """Of a stage: `processor` seconds, `read` bytes."""
        busy = processor / (FLAGS.speed * hosts * FLAGS.cores)
        return max(busy, read / (1e6 * FLAGS.megabytes_per_second * hosts)) / 3600

    passes = 1 if FLAGS.keep_duplicates else 2
    start = model.seconds(NOTHING)
    looks = 0.0 if FLAGS.keep_duplicates else (model.seconds(work_of_looking(some)) - start) * scale
    # Whether few clips of a video are wanted or all, it is decoded up to the last of them.
    fewer = dataclasses.replace(work, converted=work.converted * share, encoded=work.encoded * share)
    cuts = (model.seconds(fewer) - start) * scale
    planning = hours(start + looks, passes * source, 1)
    cutting = hours(FLAGS.hosts * start + cuts, source, FLAGS.hosts)
    request = _REQUEST_BYTES[FLAGS.store]
    reads = (passes + 1) * (videos + source / request)
    beats = FLAGS.hosts * (planning + cutting) * 3600 / _SECONDS_PER_BEAT
    writes = stored / request + shards * _REQUESTS_PER_SHARD + beats * _REQUESTS_PER_BEAT
    print(f"{videos:,.0f} videos, {source / 1e12:,.2f} TB; headers of {len(some):,} of {tried:,} could be read")
    print(f"{clips * share:,.0f} clips in {shards:,} shards of about 100 MB, {stored / 1e12:,.2f} TB")
    print(f"{reads:,.0f} requests to read, {writes:,.0f} to write and to share out the shards")
    print(f"planning {planning:,.1f} hours on one host, {(start + looks) / 3600:,.0f} core hours")
    print(f"cutting {cutting:,.1f} hours on {FLAGS.hosts} hosts, {cuts / 3600:,.0f} core hours")
    for what, found in zip(("processor time", "bytes"), zip(*errors, strict=True), strict=True):
        print(f"{what}: off by {typical(found)} on a run that the model was not fitted on, of {len(runs)}")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
