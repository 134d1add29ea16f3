"""Training clips a second from shards to batches, beside what plain tf.data gives of the same records.

    python -m tools.benchmark.input --shards=runs/ucf6/shards/web --rounds=5

All run on the cores that the process may use, in turns, over the same records and batches of one size, in TensorFlow's
deterministic mode as training does. "plain" parses a record, decodes the first frames of it and batches: no order, no
chance, no labels, no resuming. "decoding" decodes the frames of some clips again and again: the limit of libjpeg.
--model_garden adds the input of tf-models-official, where it is installed (nox -s benchmark_input -- --shards=...); all
then run without deterministic mode, which it refuses.
"""

import statistics
import time
from collections.abc import Iterator

from absl import flags

from spl_tf import command
from tools.benchmark.record import define_results_flag, publish

FLAGS = flags.FlagValues()
flags.DEFINE_string("shards", None, "Folder of shards.", flag_values=FLAGS)
flags.DEFINE_integer("batch_size", 16, "Clips of a batch.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("num_frames", 16, "Frames of a clip.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("frame_stride", 4, "Distance of frames, in stored frames.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("crop_size", 64, "Side of the window, pixels.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_boolean("model_garden", False, "Also the input of tf-models-official.", flag_values=FLAGS)
flags.DEFINE_integer("rounds", 5, "Turns of each.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_float("seconds", 5.0, "Of a turn.", lower_bound=0.1, flag_values=FLAGS)
define_results_flag(FLAGS)


def main() -> None:
    command.require_flags(FLAGS, "shards")
    import keras
    import tensorflow as tf

    from spl_tf.data.dataset import load_dataset
    from spl_tf.data.input.views import ViewShape
    from tools.benchmark.input_pipelines import PIPELINES, model_garden

    keras.utils.set_random_seed(0)
    if not FLAGS.model_garden:
        tf.config.experimental.enable_op_determinism()
    dataset = load_dataset(FLAGS.shards)
    shape = ViewShape(FLAGS.num_frames, FLAGS.frame_stride, FLAGS.crop_size)
    pipelines = PIPELINES | ({"video_input of tf-models-official": model_garden} if FLAGS.model_garden else {})
    running = {name: iter(build(dataset, shape, FLAGS.batch_size)) for name, build in pipelines.items()}
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
    beside = ", beside tf-models-official" if FLAGS.model_garden else ""
    clip = f"{FLAGS.num_frames} x {FLAGS.crop_size} x {FLAGS.crop_size} of short side {dataset.short_side}"
    publish("input", f"clips of {clip}{beside}", headers, rows, results=FLAGS.results, packages=["tf-models-official"])


def _rate(batches: Iterator, seconds: float) -> tuple[float, float]:
    """Clips a second, and seconds of processor a clip."""
    begin, spent, clips = time.perf_counter(), time.process_time(), 0
    while (elapsed := time.perf_counter() - begin) < seconds or not clips:
        next(batches)
        clips += FLAGS.batch_size
    return clips / elapsed, (time.process_time() - spent) / clips


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
