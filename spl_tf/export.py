"""Exports a trained network as a SavedModel for TF Serving.

  python -m spl_tf.export --model_dir=M --output_dir=S

M is the folder of a finished stage of spl_tf.train. S gets a folder 1, 2, ... per
export; none is ever overwritten, and a new one appears whole. Name S as TF Serving's
--model_name.

The network is the folded one. What evaluation does with a record is inside: one view
in the middle of the clip, drawn, cut and normalised by the same functions. A client
sends whole frames as spl_tf.shard stores them: scaled to the short side, and drawn at
the frames per second, that S/1/assets.extra/model.json says. Three signatures take them:

  serving_default   clips     uint8 [B, T, H, W, 3], RGB
  frames            frames    string [B, T], each frame a JPEG file
  records           records   string [B], clip records of shards (tfrecords_spec/README.md)

B clips at once, at least 1. T is the number of stored frames, any but 0: a clip too
short for the network is looped. H and W are at least the crop; a JPEG has at most
4096 x 4096 pixels. In a batch of records each clip has its own T, H and W. All give

  scores     float32 [B, N], softmax; of a network of @multi_label sigmoid, each class by itself
  classes    int64 [B], the class with the highest score
  labels     string [B], its name
  features   float32 [B, C], the pooled features of the backbone

A faulty request fails with a message that names the fault; the model goes on serving.

  S/1/assets/classes.txt             the N class names, one a line
  S/1/assets/operative_config.gin    how the stage was trained
  S/1/assets.extra/model.json        classes, and the input the network was trained on
  S/1/assets.extra/tf_serving_warmup_requests    what TF Serving runs before it serves
  S/1/assets.extra/model.onnx        with --onnx (pip install 'spl_tf[onnx]'): the same as serving_default for ONNX
                                     runtimes, class names in its metadata; without the checks of requests

  saved_model_cli show --all --dir=S/1
"""

from absl import flags

from spl_tf import command
from spl_tf.folder_flags import define_folder
from spl_tf.output_folders import require_own_folder

FLAGS = flags.FlagValues()
define_folder("model_dir", "Folder of a finished stage.", FLAGS)
define_folder("output_dir", "Folder of the exported versions.", FLAGS)
flags.DEFINE_string("precision", "float32", "float32, bfloat16, float16 or auto.", flag_values=FLAGS)
flags.DEFINE_boolean("onnx", False, "Write an ONNX file too; needs tf2onnx.", flag_values=FLAGS)
flags.mark_flags_as_required(["model_dir", "output_dir"], flag_values=FLAGS)


def main() -> None:
    require_own_folder("output_dir", FLAGS.output_dir)
    from spl_tf.inference.saved_model import export_model

    version = export_model(FLAGS.model_dir, FLAGS.output_dir, precision=FLAGS.precision, onnx=FLAGS.onnx)
    print(f"written to {version}")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
