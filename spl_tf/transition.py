"""Estimates how labels go wrong: the matrix that Forward and Backward correction need.

  python -m spl_tf.transition --model_dir=M --shards=D --output=T.npy
  python -m spl_tf.transition --labels=L --output=T.npy
  python -m spl_tf.transition --both_labels=F --classes=C --output=T.npy

T[i, j] = P(noisy label j | class i), float64 [N, N], rows sum to 1. There are three ways to it:

  --model_dir, --shards   as Patrini et al. (2017): M is the folder of a stage of spl_tf.train that learned the
                          noisy labels with the ordinary loss, D its shards. Row i is what it says of the
                          clip it is most certain to be of class i. --percentile=97 passes over outliers.
  --labels                counted: L is what spl_tf.label wrote, with whatever strategy. The teacher's class is
                          taken for the true one, the query for the noisy label.
  --both_labels           counted: F is a CSV file of what carries both labels, the clean one in the column "label",
                          the noisy one in "query"; C names the classes, one a line.

Then train once more:

  python -m spl_tf.train --stage=pretrain ... --gin_param="train_stage.loss = @forward_correction"
      --gin_param="forward_correction.transition = 'T.npy'"

Options are gin bindings, e.g. --gin_param="score_shards.batch_size = 64".
"""

import pathlib

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from spl_tf.folder_flags import define_file, define_folder

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
define_folder("model_dir", "Folder of a network that learned the noisy labels.", FLAGS)
define_folder("shards", "Folder of the shards it learned from.", FLAGS)
define_folder("labels", "Folder that spl_tf.label wrote.", FLAGS)
define_file("both_labels", "CSV file with the columns label and query.", FLAGS)
define_file("classes", "File with the class names of --both_labels.", FLAGS)
define_file("output", "File to write, .npy.", FLAGS, written=True)
flags.DEFINE_float("percentile", None, "Look for the surest clip below this percentile, 0 to 100.", flag_values=FLAGS)
flags.mark_flag_as_required("output", flag_values=FLAGS)


def main() -> None:
    sources = ("labels", "model_dir", "shards", "both_labels", "classes")
    given = {name for name in sources if FLAGS[name].value is not None}
    if given not in ({"labels"}, {"model_dir", "shards"}, {"both_labels", "classes"}):
        raise UserError("give either --labels, or --model_dir and --shards, or --both_labels and --classes")
    if FLAGS.percentile is not None and ("model_dir" not in given or not 0 < FLAGS.percentile <= 100):
        raise UserError(f"--percentile={FLAGS.percentile:g}: give more than 0, at most 100, with --model_dir")
    if not FLAGS.output.endswith(".npy"):
        raise UserError(f"--output={FLAGS.output}: give the name of a .npy file")
    command.parse_gin(FLAGS)
    import numpy as np

    from spl_tf import files
    from spl_tf.labels.both_labels import read_both_labels
    from spl_tf.labels.classes import read_classes
    from spl_tf.labels.label_folder import read_confusion
    from spl_tf.labels.transition import count_transition, estimate_transition

    if FLAGS.labels is not None:
        classes, confusion = read_confusion(FLAGS.labels)
        matrix = count_transition(confusion.T, classes)
    elif FLAGS.both_labels is not None:
        classes = read_classes(FLAGS.classes)
        matrix = count_transition(read_both_labels(pathlib.Path(FLAGS.both_labels), classes), classes)
    else:
        from spl_tf.inference.shard_scores import score_shards

        classes, scores = score_shards(FLAGS.model_dir, FLAGS.shards)
        matrix = estimate_transition(scores, FLAGS.percentile)
    with files.atomic_path(FLAGS.output) as path, open(path, "wb") as opened:
        np.save(opened, matrix)
    right = np.diagonal(matrix)
    print(f"{FLAGS.output}: {len(matrix)} x {len(matrix)}, {right.mean():.1%} of the labels right on average")
    for name, row, share in zip(classes, matrix, right, strict=True):
        others = [f"{classes[j]} {row[j]:.1%}" for j in np.argsort(-row, kind="stable")[:4] if row[j] != share]
        print(f"  {name}: right {share:.1%}, {', '.join(others[:3]) or 'never another'}")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
