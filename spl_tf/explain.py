"""Shows where a network looks: Grad-CAM over space and time.

  python -m spl_tf.explain --model_dir=M --shards=D --output_dir=O
  python -m spl_tf.explain --model_dir=M --shards=D --output_dir=O --clips=v1@0,v7@10000 --format=gif
  python -m spl_tf.explain --model_dir=M --shards=D --output_dir=O --predictions=P --labels=L \\
      --spl_class="run|jump" --target=weak

M is the folder of a finished stage of spl_tf.train, D a folder of spl_tf.shard with clips of the
size and rate M was trained on. Their classes may differ: a network pre-trained on SPL classes can be
asked about these. Written into O, for every chosen clip:

  <clip id>--<class>.png    up to eight frames of its middle view, below them the same frames with what spoke
                            for the class, from blue for nothing to red for most; below these the caption:
                            clip id, weak label, teacher's class and confidence (--predictions), SPL class
                            (--labels), predicted class and its score, and the class that is shown
  <clip id>--<class>.gif    with --format=gif or mp4: every frame, its overlay to the right, in the clip's own time
  logs/                     the pictures once more, for tensorboard --logdir=O
  clips.csv                 the same as a table, with shard, record and file names; written last

Letters that file names can't have become "_", and then the clip id gets a hash.

Which clips: the first --num_clips of all, of a weak label (--label) or of an SPL class (--spl_class), or
those of --clips. Ids and weak labels are looked up in P when it is given, else in the shards, which takes as
long as reading them up to the last clip.

Which class: --target=predicted is the network's own decision, whether right or wrong; weak is the clip's own
label, by its name among the network's classes; anything else names one of the network's classes.

Which layer: by default the last feature map, which the head pools. --layer names another, e.g.
res4_block1_conv1: earlier ones are finer and say less about the class. Of fewer than 4 x 4 cells, as small
crops leave, a map can't say where: the command and each caption tell. A layer's weights are the mean
gradient over all of the clip, with --per_frame_weights over each frame of its map.

A run that was stopped starts anew, in seconds to minutes, and replaces files of the same names; other files
in O stay. Maps are computed in float32.
"""

from absl import flags

from spl_tf import command
from spl_tf.folder_flags import define_folder
from spl_tf.output_folders import require_own_folder

FLAGS = flags.FlagValues()
define_folder("model_dir", "Folder of a finished stage.", FLAGS)
define_folder("shards", "Folder of shards.", FLAGS)
define_folder("output_dir", "Folder for the pictures.", FLAGS)
flags.DEFINE_integer("num_clips", 20, "How many clips.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_list("clips", [], "Ids of clips; one with a comma in double quotes: '\"a,b@0\",c@0'.", flag_values=FLAGS)
flags.DEFINE_string("label", None, "Weak label of the clips.", flag_values=FLAGS)
flags.DEFINE_string("spl_class", None, "SPL class of the clips, by --labels.", flag_values=FLAGS)
flags.DEFINE_string("target", "predicted", "predicted, weak, or a class of the network.", flag_values=FLAGS)
flags.DEFINE_string("layer", None, "Layer whose feature map is shown; the last one by default.", flag_values=FLAGS)
flags.DEFINE_bool("per_frame_weights", False, "Mean gradients over each frame of the map.", flag_values=FLAGS)
define_folder("predictions", "Folder that spl_tf.predict wrote for D.", FLAGS)
flags.DEFINE_alias("predictions_dir", "predictions", flag_values=FLAGS)
define_folder("labels", "Folder that spl_tf.label wrote for D.", FLAGS)
flags.DEFINE_alias("labels_dir", "labels", flag_values=FLAGS)
flags.DEFINE_enum("format", "png", ["png", "gif", "mp4"], "png: strips only.", flag_values=FLAGS)
flags.DEFINE_integer("batch_size", 8, "Clips at once.", lower_bound=1, flag_values=FLAGS)
flags.mark_flags_as_required(["model_dir", "shards", "output_dir"], flag_values=FLAGS)


def main() -> None:
    require_own_folder("output_dir", FLAGS.output_dir)
    if FLAGS.clips:
        command.require_unset(FLAGS, ["num_clips"], "all clips that --clips names are shown, leave it out")
    from spl_tf import files
    from spl_tf.inference.chosen_clips import Choice
    from spl_tf.inference.explanation import Target, explain_clips

    with files.locked(FLAGS.output_dir, "the pictures"):
        number = explain_clips(
            FLAGS.model_dir,
            FLAGS.shards,
            FLAGS.output_dir,
            Choice(FLAGS.num_clips, tuple(FLAGS.clips), FLAGS.label, FLAGS.spl_class),
            Target(FLAGS.target, FLAGS.layer, FLAGS.per_frame_weights),
            predictions_dir=FLAGS.predictions,
            labels_dir=FLAGS.labels,
            moving=None if FLAGS.format == "png" else FLAGS.format,
            batch_size=FLAGS.batch_size,
        )
    print(f"{number} clips explained: {FLAGS.output_dir}")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
