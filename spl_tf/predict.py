"""Lets a trained network, the teacher, predict the class of every web clip; or of every second of a video.

  python -m spl_tf.predict --model_dir=M --shards=D --output_dir=P
  python -m spl_tf.predict --model_dir=M --video=long.mp4 --output_dir=T

M is the folder of a finished stage of spl_tf.train, D a folder of spl_tf.shard.
Both must have the same ordered classes, frame size and frame rate. Stopped at any
moment, the same command goes on with the shards that are missing.

Options are gin bindings:

  --gin_param="predict_clips.num_views = 3"           temporal views averaged per clip
  --gin_param="predict_clips.precision = 'float32'"   default "auto": bfloat16 where the hardware has it

Written into P:

  <shard>.parquet    one row a clip: clip_id, weak, teacher, confidence; top_classes and top_scores, the
                     predict_clips.top_k (5) highest scores and their classes
  SHA256SUMS         checksums of these files, for sha256sum -c
  predictions.json   classes, shards, model, precision and how often it predicts as float32; written last

--task=i/n makes this process one of n, i from 1 to n, on any hosts that see M, D and P by the same paths: each is
started with the same flags, by any scheduler or by hand, at any time. They share out the shards, do those of tasks
that died, and all return when P is finished, with the same bytes as one process on equal hardware
(docs/cluster.md). A task with another network, other settings or versions is refused by name.

Each side-car also says which weights and settings made it; others in P are refused.

With --video the network looks at a window every second, each as long as what it sees at once (2.4 s for 16 frames of
stride 4 at 25 frames per second). Frames are taken, scaled and JPEG-coded as spl_tf.shard stores them, so the scores
are those of a shard's clip that begins there. A video of any length is read in bounded memory; what follows the last
whole window has none of its own. Written into T, all anew at each run:

  timeline.csv    a row a window: start_s, end_s, the five best classes with scores, then the scores of all
  timeline.png    classes over time
  timeline.json   settings, and why the video could be read no further or what is damaged in it; written last

  --gin_param="predict_timeline.seconds_between = 0.5"    the starts of two windows
  --gin_param="predict_timeline.jpeg_quality = 95"        where the network's shards were made with it
"""

from absl import flags

from spl_tf import command
from spl_tf.claims import Task
from spl_tf.errors import UserError
from spl_tf.folder_flags import define_file, define_folder
from spl_tf.output_folders import PREDICTIONS, require_own_folder

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
define_folder("model_dir", "Folder of the teacher.", FLAGS)
define_folder("shards", "Folder of shards.", FLAGS)
define_file("video", "A video to predict over time, in place of shards.", FLAGS)
define_folder("output_dir", "Folder for the predictions.", FLAGS)
command.define_task_flags(FLAGS)
flags.mark_flags_as_required(["model_dir", "output_dir"], flag_values=FLAGS)


def main() -> None:
    task = command.task(FLAGS)
    if FLAGS.video is None:
        command.require_flags(FLAGS, "shards")
    elif task is not None:
        raise UserError("--task shares out shards: give --shards, or leave it out for a --video")
    elif FLAGS.shards is not None:
        raise UserError("--shards and --video: give one of them")
    require_own_folder("output_dir", FLAGS.output_dir, own=PREDICTIONS)
    command.parse_gin(FLAGS)
    from spl_tf import files

    with files.locked(FLAGS.output_dir, "the predictions", shared=task is not None):
        predicted = _predict_shards(task) if FLAGS.video is None else _predict_video()
        print(f"{predicted}: {FLAGS.output_dir}")


def _predict_shards(task: Task | None) -> str:
    from spl_tf.inference.prediction import predict_clips

    settings = predict_clips(FLAGS.model_dir, FLAGS.shards, FLAGS.output_dir, task=task)
    return f"{settings['num_clips']:,} clips in {len(settings['shards'])} side-cars"


def _predict_video() -> str:
    from spl_tf.inference.timeline import predict_timeline

    found = predict_timeline(FLAGS.model_dir, FLAGS.video, FLAGS.output_dir)
    if found["fault"] is not None:
        print(f"{FLAGS.video} could be read for {found['seconds']:.1f} s, then: {found['fault']}")
    for note in found["notes"]:
        print(f"{FLAGS.video} is used, though: {note}")
    if found["looped"]:
        print(f"{FLAGS.video} is shorter than a window of {found['window_seconds']:g} s: its frames were looped")
    return f"{found['windows']:,} windows of {found['window_seconds']:g} s over {found['seconds']:.1f} s"


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
