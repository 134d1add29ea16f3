"""What a training step and its input do, counted: no clock is read, so no quiet machine is needed.

  python -m tools.benchmark.work --output=tests/tools/work.json

Counted are the kernels that one step runs (after TensorFlow's graph optimizers, by its profiler), the bytes that its
operations give (by the shapes in the graph, before those), the frames that are decoded for a clip, and how often shards
are opened in an epoch. A test compares them with what the last command wrote: more is a regression, or has a reason.
"""

import collections
import ctypes
import os
import pathlib
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
flags.DEFINE_string("output", None, "File for the counts.", flag_values=FLAGS)

_BATCH = 4
_FRAMES, _SIDE = 4, 28
_EPOCH = 192
# Closing is watched too: events alike that follow each other would be told of as one.
_IN_OPEN, _IN_CLOSE_NOWRITE = 0x20, 0x10


def main() -> None:
    command.require_flags(FLAGS, "output")
    import tensorflow as tf

    from spl_tf.files import write_json

    with tempfile.TemporaryDirectory() as folder:
        counted = {"step": step_work(), "input": input_work(pathlib.Path(folder))}
    version = tf.__version__.rpartition(".")[0]
    write_json(pathlib.Path(FLAGS.output), {"tensorflow": version, **counted})
    print(f"written: {FLAGS.output}")


def step_work() -> dict[str, Any]:
    """Of a step of R3D-10-G of an eighth of its width on four clips: kernels by operation, and bytes in all."""
    import keras
    import tensorflow as tf

    from spl_tf.losses.cross_entropy import softmax_cross_entropy
    from spl_tf.models.resnet3d import resnet3d
    from spl_tf.models.style import Style
    from spl_tf.training.objectives.single_label import SingleLabel
    from spl_tf.training.state import create_state
    from spl_tf.training.step import make_train_steps

    trunk = resnet3d(10, width_multiplier=0.125, style=Style(1e-4, None, None, False))
    pooled = keras.layers.GlobalAveragePooling3D()(trunk.output)
    network = keras.Model(trunk.input, {"logits": keras.layers.Dense(3, name="logits")(pooled)})
    objective, strategy = SingleLabel(softmax_cross_entropy, None), tf.distribute.get_strategy()
    state = create_state(network, keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), objective)
    batch = {
        "clips": tf.zeros([_BATCH, _FRAMES, _SIDE, _SIDE, 3], tf.uint8),
        "color": tf.tile([[0.0, 1.0, 1.0, 0.0]], [_BATCH, 1]),
        "labels": tf.zeros([_BATCH], tf.int32),
        "weights": tf.ones([_BATCH]),
        "index": tf.zeros([_BATCH], tf.int64),
    }
    batches = iter(strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensors(batch).repeat()))
    steps = make_train_steps(state, strategy, objective, global_batch_size=_BATCH)
    steps(batches, tf.constant(1))
    # What is done once a call is in both.
    one, two = (kernels_of(lambda n=n: steps(batches, tf.constant(n))) for n in (1, 2))
    graph = steps.get_concrete_function(batches, tf.constant(1)).graph
    kernels = two - one
    return {"kernels": kernels.total(), "bytes": _bytes_of(graph), "by_operation": dict(sorted(kernels.items()))}


def input_work(folder: pathlib.Path) -> dict[str, float]:
    """Frames decoded for a clip and shards opened, of three, by evaluation and at the start of training.

    Training reads the first epoch, and the second one ahead.
    """
    from spl_tf.data.input.pipeline import evaluation_clips, training_clips
    from spl_tf.data.input.targets import join_targets

    dataset = _made(folder)
    options = {"batch_size": _BATCH, "num_frames": _FRAMES, "frame_stride": 2, "crop_size": _SIDE}
    training = iter(training_clips(dataset, join_targets(dataset), seed=0, **options))
    evaluation = evaluation_clips(dataset, **options)
    runs = {"training": lambda: (next(training), time.sleep(1)), "evaluation": lambda: list(evaluation)}
    counted: dict[str, float] = {}
    for name, run in runs.items():
        opened = _Opened(folder)
        kernels = kernels_of(run)
        # The pipeline may have begun clips that nobody takes.
        frames = kernels["DecodeAndCropJpeg"] / kernels["ParseSequenceExampleV2"]
        counted |= {f"{name}_frames_of_a_clip": round(frames, 1), f"{name}_shards_opened": opened.count()}
    return counted


def kernels_of(call: Callable[[], Any]) -> collections.Counter[str]:
    """Kernels that a call runs, by the name of their operation."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    options = tf.profiler.experimental.ProfilerOptions(3, 0, 0)
    kernels: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder, options):
            call()
        (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    for plane in space.planes:
        names = {number: kind.name for number, kind in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                node, colon, operation = names[event.metadata_id].rpartition(":")
                if colon and node and ":" not in node and operation.isidentifier():
                    kernels[operation] += 1
    return kernels


def _bytes_of(graph) -> int:
    """What all operations give whose shapes are known."""
    return sum(
        output.shape.num_elements() * output.dtype.size
        for operation in _operations(graph, set())
        for output in operation.outputs
        if output.dtype.is_numpy_compatible and output.dtype.size and output.shape.is_fully_defined()
    )


def _operations(graph, seen: set[str]) -> Iterator[Any]:
    """Of a graph and of the functions that it calls, each once."""
    for operation in graph.get_operations():
        yield operation
        for value in operation.node_def.attr.values():
            name = value.func.name
            if name and name not in seen:
                seen.add(name)
                yield from _operations(graph._get_function(name).graph, seen)


class _Opened:
    """Counts the times that files of a folder are opened, by Linux' inotify."""

    def __init__(self, folder: pathlib.Path):
        libc = ctypes.CDLL(None, use_errno=True)
        self._file = libc.inotify_init1(os.O_NONBLOCK)
        if self._file < 0 or libc.inotify_add_watch(self._file, bytes(folder), _IN_OPEN | _IN_CLOSE_NOWRITE) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def count(self) -> int:
        events = os.read(self._file, 1 << 20)
        os.close(self._file)
        place = number = 0
        while place < len(events):
            _, kind, _, length = struct.unpack_from("iIII", events, place)
            place += struct.calcsize("iIII") + length
            number += bool(kind & _IN_OPEN)
        return number


def _made(folder: pathlib.Path):
    """Clips of twelve frames in three shards."""
    import cv2

    from spl_tf.data.clip import Clip
    from spl_tf.data.dataset import ClipDataset, Shard
    from spl_tf.data.record import clip_to_bytes
    from spl_tf.data.record_files import write_record

    frame = cv2.imencode(".jpg", np.zeros((_SIDE + 4, _SIDE + 4, 3), np.uint8))[1].tobytes()
    per_shard, shards = _EPOCH // 3, []
    for number in range(3):
        path = folder / f"web-{number:05d}.tfrecord"
        with open(path, "wb") as file:
            for row in range(per_shard):
                side, frames = _SIDE + 4, [frame] * 12
                clip = Clip(f"{number}@{row}", str(number), [0], [], 0, 1, 10.0, side, side, frames, [*range(12)])
                write_record(file, clip_to_bytes(clip))
        shards.append(Shard(path.stem, str(path), per_shard, number * per_shard, path.stat().st_size, "", ""))
    options = {"num_videos": 3, "clips_per_class": {"a": _EPOCH}, "clip_seconds": 0.0, "fps": 10.0, "short_side": side}
    options |= {"jpeg_quality": 90, "multi_label": False, "rejected": {}}
    return ClipDataset(str(folder), ("a",), tuple(shards), _EPOCH, **options)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
