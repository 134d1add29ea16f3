"""Lets a trained network, the teacher, predict the class of every web clip.

  python -m spl_tf.predict --model_dir=M --shards=D --output_dir=P

M is the folder of a finished stage of spl_tf.train, D a folder of spl_tf.shard.
Both must have the same ordered classes, frame size and frame rate. Stopped at any
moment, the same command goes on with the shards that are missing.

Options are gin bindings:

  --gin_param="predict_clips.num_views = 3"           temporal views averaged per clip
  --gin_param="predict_clips.precision = 'float32'"   default "auto": bfloat16 where the hardware has it

Written into P:

  <shard>.parquet    one row a clip: clip_id, weak, teacher, confidence
  predictions.json   classes, shards, model, precision and how often it predicts as float32; written last

Each side-car also says which weights and settings made it; others in P are refused.
"""

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
flags.DEFINE_string("model_dir", None, "Folder of the teacher.", flag_values=FLAGS)
flags.DEFINE_string("shards", None, "Folder of shards.", flag_values=FLAGS)
flags.DEFINE_string("output_dir", None, "Folder for the predictions.", flag_values=FLAGS)
flags.mark_flags_as_required(["model_dir", "shards", "output_dir"], flag_values=FLAGS)


def main() -> None:
    command.parse_gin(FLAGS)
    from spl_tf import files
    from spl_tf.inference.prediction import predict_clips

    with files.locked(FLAGS.output_dir, "the predictions"):
        settings = predict_clips(FLAGS.model_dir, FLAGS.shards, FLAGS.output_dir)
    print(f"{settings['num_clips']:,} clips in {len(settings['shards'])} side-cars: {FLAGS.output_dir}")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
