"""Exports a trained network as a SavedModel for TF Serving.

  python -m spl_tf.export --model_dir=M --output_dir=S

M is the folder of a finished stage of spl_tf.train. S gets a folder 1, 2, ... per
export; none is ever overwritten, and a new one appears whole.

The network is the folded one, with its preprocessing inside. The signature
serving_default takes

  clips      uint8 [B, T, H, W, 3], RGB, frames and crop as in M/model.json

and gives

  scores     float32 [B, N], softmax
  classes    int64 [B], the class with the highest score
  labels     string [B], its name
  features   float32 [B, C], the pooled features of the backbone

  saved_model_cli show --all --dir=S/1
"""

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
flags.DEFINE_string("model_dir", None, "Folder of a finished stage.", flag_values=FLAGS)
flags.DEFINE_string("output_dir", None, "Folder of the exported versions.", flag_values=FLAGS)
flags.DEFINE_string("precision", "float32", "float32, bfloat16, float16 or auto.", flag_values=FLAGS)
flags.mark_flags_as_required(["model_dir", "output_dir"], flag_values=FLAGS)


def main() -> None:
    from spl_tf.inference.export import export_model

    print(f"written to {export_model(FLAGS.model_dir, FLAGS.output_dir, precision=FLAGS.precision)}")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
