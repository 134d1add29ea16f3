"""Looks for wrong labels of web clips with the help of a clean set, and writes labels without them.

  python -m spl_tf.clean --model_dir=M --shards=WEB --clean_shards=TARGET --method=cleannet_soft --output_dir=L

M is the folder of a teacher that spl_tf.train trained on the clean set. The clips keep the label of their
query. What the methods do, which the paper compares Sub-Pseudo Labels with (table 6):

  cleannet_soft        CleanNet (Lee et al. 2018) compares the teacher's features of a clip with those of its
                       class; their cosine is the clip's weight, and a clip with none above 0 is discarded
  cleannet_hard        the same, a clip counts fully from a cosine of 0.1 on, else it is discarded
  confident_learning   clips that cleanlab takes for mislabelled by the teacher's scores are discarded; needs
                       pip install 'spl_tf[cleaning]' and no --clean_shards

CleanNet trains for 60,000 steps as its authors do. For some thousand clips a tenth will do:

  python -m spl_tf.clean ... --gin_param="cleannet.steps = 6000"

Options are gin bindings, e.g. --gin_param="hard_weights.threshold = 0.2" or "clip_features.batch_size = 64".

Written into L, as by spl_tf.label: <shard>.parquet, confusion.npy, cells.npz, confusion.png, long_tail.png, SHA256SUMS
and summary.json. Pre-training uses them by spl_tf.train --gin_param="train_stage.labels_dir = 'L'". Beside them
features/, what the teacher says of every clip: 4 GB for a million clips with 2,048 features. It may be deleted;
--features_dir puts it elsewhere, for several methods to share.

--task=i/n makes this process one of n that make the features together, on any hosts that see the folders by the same
paths: the teacher's work, nearly all of the time. When all are there each returns, and the same command without --task
makes the labels, the same to the byte as without tasks (docs/cluster.md).

The same command goes on where it was stopped: shards that the teacher has finished are not run again, CleanNet starts
from the beginning.
"""

from absl import flags

from spl_tf import command
from spl_tf.folder_flags import define_folder
from spl_tf.output_folders import LABELS, require_own_folder

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
define_folder("model_dir", "Folder of the teacher.", FLAGS)
define_folder("shards", "Folder of the web shards.", FLAGS)
define_folder("clean_shards", "Folder of the clean shards; for CleanNet.", FLAGS)
flags.DEFINE_string("method", None, "cleannet_soft, cleannet_hard or confident_learning.", flag_values=FLAGS)
define_folder("output_dir", "Folder for the labels.", FLAGS)
define_folder("features_dir", "Folder for the features; output_dir/features when not given.", FLAGS)
flags.DEFINE_integer("seed", 0, "Of CleanNet's weights, references and batches.", lower_bound=0, flag_values=FLAGS)
command.define_task_flags(FLAGS)
flags.mark_flags_as_required(["model_dir", "shards", "method", "output_dir"], flag_values=FLAGS)


def main() -> None:
    from spl_tf.cleaning.methods import CONFIDENT_LEARNING

    require_own_folder("output_dir", FLAGS.output_dir, own=LABELS)
    require_own_folder("features_dir", FLAGS.features_dir)
    if FLAGS.method == CONFIDENT_LEARNING:
        command.require_unset(FLAGS, ["clean_shards"], f"{FLAGS.method} asks the teacher alone, leave it out")
    task = command.task(FLAGS)
    command.parse_gin(FLAGS)
    import pathlib

    import numpy as np

    from spl_tf.cleaning.clean_labels import clean_labels, see_clips
    from spl_tf.labels.summary_text import report

    given = FLAGS.model_dir, FLAGS.shards, FLAGS.clean_shards, FLAGS.method, FLAGS.output_dir
    if task is not None:
        see_clips(*given, features_dir=FLAGS.features_dir, task=task)
        print("The features are there: the same command without --task makes the labels")
        return
    summary = clean_labels(*given, seed=FLAGS.seed, features_dir=FLAGS.features_dir)
    print(report(summary, np.load(pathlib.Path(FLAGS.output_dir) / "confusion.npy")))
    print(f"\nLabels and figures are in {FLAGS.output_dir}")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
