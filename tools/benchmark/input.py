"""Training clips a second from shards to batches, beside what plain tf.data gives of the same records.

    python -m tools.benchmark.input --shards=runs/ucf6/shards/web --rounds=5

All run on the cores that the process may use, in turns, over the same records and batches of one size, in TensorFlow's
deterministic mode as training does. "plain" parses a record, decodes the first frames of it and batches: no order, no
chance, no labels, no resuming. "decoding" decodes the frames of some clips again and again: the limit of libjpeg.
"""

import statistics
import time
from collections.abc import Callable, Iterator

import tabulate
import tensorflow as tf
from absl import flags

from spl_tf import command
from spl_tf.data import record_decoding
from spl_tf.data.dataset import ClipDataset, load_dataset
from spl_tf.data.input.pipeline import training_clips
from spl_tf.data.input.targets import join_targets
from spl_tf.data.input.views import ViewShape, view_window
from spl_tf.data.record_decoding import EncodedClip
from spl_tf.labels.targets import NONE

FLAGS = flags.FlagValues()
flags.DEFINE_string("shards", None, "Folder of shards.", flag_values=FLAGS)
flags.DEFINE_integer("batch_size", 16, "Clips of a batch.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("num_frames", 16, "Frames of a clip.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("frame_stride", 4, "Distance of frames, in stored frames.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("crop_size", 64, "Side of the window, pixels.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("rounds", 5, "Turns of each.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_float("seconds", 5.0, "Of a turn.", lower_bound=0.1, flag_values=FLAGS)

# Held in memory by "decoding".
_SOME_CLIPS = 64


def main() -> None:
    command.require_flags(FLAGS, "shards")
    tf.keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    dataset = load_dataset(FLAGS.shards)
    shape = ViewShape(FLAGS.num_frames, FLAGS.frame_stride, FLAGS.crop_size)
    running = {name: iter(build(dataset, shape, FLAGS.batch_size)) for name, build in PIPELINES.items()}
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in running}
    for batches in running.values():
        next(batches)  # Builds the graph.
    for _ in range(FLAGS.rounds):
        for name, batches in running.items():
            measured[name].append(_rate(batches, FLAGS.seconds))
    rows = []
    for name, rounds in measured.items():
        rates, costs = zip(*rounds, strict=True)
        ratios = sorted(rate / ours for rate, (ours, _) in zip(rates, measured["spl_tf"], strict=True))
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        rows.append([name, f"{statistics.median(rates):,.0f}", f"{1e3 * statistics.median(costs):.2f}", spread])
    headers = ["pipeline", "clips a second", "ms of processor a clip", "times spl_tf's (least to most)"]
    print(tabulate.tabulate(rows, headers, disable_numparse=True))


def _rate(batches: Iterator, seconds: float) -> tuple[float, float]:
    """Clips a second, and seconds of processor a clip."""
    begin, spent, clips = time.perf_counter(), time.process_time(), 0
    while (elapsed := time.perf_counter() - begin) < seconds or not clips:
        next(batches)
        clips += FLAGS.batch_size
    return clips / elapsed, (time.process_time() - spent) / clips


def _spl_tf(dataset: ClipDataset, shape: ViewShape, batch_size: int) -> tf.data.Dataset:
    return training_clips(
        dataset,
        join_targets(dataset, form=NONE),
        batch_size=batch_size,
        seed=0,
        num_frames=shape.num_frames,
        frame_stride=shape.frame_stride,
        crop_size=shape.crop_size,
    )


def _plain(dataset: ClipDataset, shape: ViewShape, batch_size: int) -> tf.data.Dataset:
    files = tf.data.Dataset.from_tensor_slices([shard.path for shard in dataset.shards]).repeat()
    records = files.interleave(tf.data.TFRecordDataset, num_parallel_calls=tf.data.AUTOTUNE)
    return _batched(records, lambda record: _first_frames(record_decoding.parse(record), shape), batch_size)


def _decoding(dataset: ClipDataset, shape: ViewShape, batch_size: int) -> tf.data.Dataset:
    records = tf.data.TFRecordDataset([shard.path for shard in dataset.shards]).take(_SOME_CLIPS)
    clips = records.map(lambda record: vars(record_decoding.parse(record))).cache().repeat()
    return _batched(clips, lambda clip: _first_frames(EncodedClip(**clip), shape), batch_size)


def _first_frames(clip: EncodedClip, shape: ViewShape) -> tf.Tensor:
    indices = shape.frame_stride * tf.range(shape.num_frames) % clip.num_frames
    window = view_window(clip.height, clip.width, shape.crop_size, tf.constant(0), 1)
    return record_decoding.decode(clip, indices, window)


def _batched(elements: tf.data.Dataset, decode: Callable, batch_size: int) -> tf.data.Dataset:
    clips = elements.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    return clips.batch(batch_size, drop_remainder=True).prefetch(2)


PIPELINES = {"spl_tf": _spl_tf, "plain": _plain, "decoding": _decoding}


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
