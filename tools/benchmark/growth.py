"""How memory and the start of an epoch grow with the clips of a training set, on made records of a few bytes.

  python -m tools.benchmark.growth --clips=1000,100000,10000000 --folder=/tmp/made

A record is one frame of 8 x 8 pixels with five labels, some 700 bytes; a shard holds 4,096, and full ones are one file.
Each number of clips is measured in a process of its own: the seconds to join labels
(those of label side-cars, then the several that records carry), until the first batch of the first epoch and of the
middle of the second, and the memory that joining and reading added. The folder is kept, and used again.
"""

import pathlib
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from absl import flags

from spl_tf import command
from tools.benchmark.record import define_results_flag, publish

FLAGS = flags.FlagValues()
flags.DEFINE_list("clips", ["1000", "100000", "10000000"], "How many clips there are.", flag_values=FLAGS)
flags.DEFINE_string("folder", None, "For the made shards.", flag_values=FLAGS)
define_results_flag(FLAGS)

_PER_SHARD = 4096
_CLASSES = 1000
_LABELS = 5
_BATCH = 64


def main() -> None:
    command.require_flags(FLAGS, "folder")
    if len(FLAGS.clips) > 1:
        rows = [_measured_apart(clips) for clips in FLAGS.clips]
        headers = [
            "clips",
            "side-cars joined",
            "labels of records read",
            "first batch",
            "one of epoch 2",
            "memory added",
        ]
        publish("growth", ", ".join(row[0] for row in rows) + " clips", headers, rows, results=FLAGS.results)
        return
    clips, folder = int(FLAGS.clips[0]), pathlib.Path(FLAGS.folder) / FLAGS.clips[0]
    from spl_tf.data.input.record_labels import read_record_labels
    from spl_tf.data.input.targets import join_targets
    from spl_tf.data.sidecars import open_labels_of

    dataset = _made(folder, clips)
    labels = open_labels_of(dataset, folder / "labels")
    # Imports, threads and first traces are the same for all.
    _first_batch(dataset, join_targets(dataset, labels), 0)
    before = _peak()
    targets, joined = _timed(lambda: join_targets(dataset, labels))
    _, several = _timed(lambda: read_record_labels(dataset))
    steps_per_epoch = clips // _BATCH
    _, first = _timed(lambda: _first_batch(dataset, targets, 0))
    _, later = _timed(lambda: _first_batch(dataset, targets, steps_per_epoch + steps_per_epoch // 2))
    times = "\t".join(f"{seconds:.2f} s" for seconds in (joined, several, first, later))
    print(f"{clips:,}\t{times}\t{(_peak() - before) / 1e6:,.0f} MB", flush=True)


def _measured_apart(clips: str) -> list[str]:
    """A row of the table, by a process that measures one number of clips."""
    arguments = [f"--clips={clips}", f"--folder={FLAGS.folder}"]
    command_line = [sys.executable, "-m", "tools.benchmark.growth", *arguments]
    done = subprocess.run(command_line, check=True, stdout=subprocess.PIPE, text=True)
    row = done.stdout.splitlines()[-1]
    print(row, file=sys.stderr, flush=True)
    return row.split("\t")


def _first_batch(dataset, targets, start_step: int) -> None:
    from spl_tf.data.input.pipeline import training_clips

    options: dict[str, Any] = {"num_frames": 1, "frame_stride": 1, "crop_size": 8, "batch_size": _BATCH, "seed": 0}
    next(iter(training_clips(dataset, targets, start_step=start_step, **options)))


def _made(folder: pathlib.Path, clips: int):
    """The data set and its label side-cars."""
    import cv2

    from spl_tf.data.clip import Clip
    from spl_tf.data.dataset import ClipDataset, Shard
    from spl_tf.data.record import clip_to_bytes
    from spl_tf.data.record_files import write_record
    from spl_tf.files import write_json
    from spl_tf.labels.sidecar_files import ids_digest, write_labels

    (folder / "labels").mkdir(parents=True, exist_ok=True)
    generator, shards = np.random.default_rng(0), []
    frame = cv2.imencode(".jpg", generator.integers(0, 255, (8, 8, 3), np.uint8))[1].tobytes()
    names = [f"{row // 8:06d}@{row % 8}" for row in range(_PER_SHARD)]
    own = generator.integers(_CLASSES, size=(_PER_SHARD, _LABELS))
    for start in range(0, clips, _PER_SHARD):
        count, name = min(_PER_SHARD, clips - start), f"web-{start // _PER_SHARD:05d}"
        path, sidecar = folder / f"{name}.tfrecord", folder / "labels" / f"{name}.parquet"
        if not path.exists() and start and count == _PER_SHARD:
            path.hardlink_to(shards[0].path)
            sidecar.hardlink_to(folder / "labels" / f"{shards[0].name}.parquet")
        elif not path.exists():
            with open(path, "wb") as file:
                for row, labels in enumerate(own[:count].tolist()):
                    clip = Clip(names[row], names[row][:6], labels, [], 0, 100_000, 10.0, 8, 8, [frame], [0])
                    write_record(file, clip_to_bytes(clip))
            shares = {"labels": own[:count, 0], "weights": np.ones(count), "shard_fingerprint": "made"}
            write_labels(sidecar, clip_ids=names[:count], **shares)
        shards.append(Shard(name, str(path), count, start, path.stat().st_size, "made", ids_digest(names[:count])))
    classes = tuple(f"class {number}" for number in range(_CLASSES))
    fingerprints = {shard.name: {"fingerprint": "made"} for shard in shards}
    summary = {"format_version": 1, "strategy": "weak", "class_names": classes, "shards": fingerprints}
    write_json(folder / "labels" / "summary.json", summary)
    options = {"num_videos": clips // 8, "clips_per_class": dict.fromkeys(classes, 0), "clip_seconds": 1.0, "fps": 10.0}
    options |= {"short_side": 8, "jpeg_quality": 90, "multi_label": True, "rejected": {}}
    return ClipDataset(str(folder), classes, tuple(shards), clips, **options)


def _timed(call: Callable) -> tuple[Any, float]:
    begun = time.monotonic()
    return call(), time.monotonic() - begun


def _peak() -> float:
    """Bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
