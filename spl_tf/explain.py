"""Shows where a network looks: Grad-CAM over time and space.

  python -m spl_tf.explain --model_dir=M --shards=D --output_dir=O

M is the folder of a finished stage of spl_tf.train, D a folder of spl_tf.shard. For
each of the first --num_clips clips O gets a picture `<clip id>--<predicted class>.png`:
frames above, below them what spoke for the predicted class, red for most.
"""

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
flags.DEFINE_string("model_dir", None, "Folder of a finished stage.", flag_values=FLAGS)
flags.DEFINE_string("shards", None, "Folder of shards.", flag_values=FLAGS)
flags.DEFINE_string("output_dir", None, "Folder for the pictures.", flag_values=FLAGS)
flags.DEFINE_integer("num_clips", 20, "How many clips.", lower_bound=1, flag_values=FLAGS)
flags.mark_flags_as_required(["model_dir", "shards", "output_dir"], flag_values=FLAGS)


def main() -> None:
    from spl_tf.inference.explain import explain_clips

    written = explain_clips(FLAGS.model_dir, FLAGS.shards, FLAGS.output_dir, num_clips=FLAGS.num_clips)
    print(f"{written} pictures in {FLAGS.output_dir}")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
