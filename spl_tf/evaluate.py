"""Measures a trained network on clean videos.

  python -m spl_tf.evaluate --model_dir=M --shards=D

M is the folder of a finished stage of spl_tf.train, D a folder of spl_tf.shard
whose labels are true. Scores are averaged over the views of a record and over all
records of a video, so there is one prediction a video.

A network pre-trained on labels of spl_tf.label has their classes, not those of D. With the folder of these
labels its scores are summed to scores of the classes of D:

  python -m spl_tf.evaluate --model_dir=P --shards=D --labels=labels/spl_b

A class on the diagonal is its class; of any other, such as run|jump or run|other, one half goes to the class the
clips were queried for, the other to those the teacher saw in them, in proportion to their number.

Options are gin bindings:

  --gin_param="evaluate_model.num_views = 10"             uniformly spaced views of each record
  --gin_param="evaluate_model.num_crops = 3"              of each view, along the long side
  --gin_param="evaluate_model.fully_convolutional = True" scores of every position, averaged
  --gin_param="evaluate_model.num_frames = 64"            as frame_stride and crop_size, else those of training
  --gin_param="evaluate_model.background = 'Background'"  a class left out of the mean average precision
  --gin_param="class_groups.few = 10"                     fewer clips are few, more than class_groups.many are many
  --gin_param="evaluate_model.query_share = 0"            of --labels: all to what the teacher saw
  --gin_param="evaluate_model.precision = 'bfloat16'"     default float32

Written into --output_dir (default M/evaluate-<name of D>):

  metrics.json    top-1, top-5, mean accuracy and mean average precision over classes, per class;
                  classes_without_videos are in neither mean. Of a network that was trained on several
                  labels a clip, or where clips of D have several: average precision per class, its mean, also
                  of classes of many, some and few clips in training apart, over all decisions (micro), hits at
                  1 and 5
  confusion.npy   int64 [N, N], videos by true class (row) and prediction (column); of one label a clip
  videos.csv      one row a video, for paired comparisons of networks
  scores.npy      float32 [videos, N], the scores of every class, rows in the order of videos.csv
"""

from absl import flags

from spl_tf import command
from spl_tf.folder_flags import define_folder
from spl_tf.output_folders import require_own_folder

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
define_folder("model_dir", "Folder of a finished stage.", FLAGS)
define_folder("shards", "Folder of shards with true labels.", FLAGS)
define_folder("labels", "Labels of the pre-training, of a network of SPL classes.", FLAGS)
flags.DEFINE_alias("labels_dir", "labels", flag_values=FLAGS)
define_folder("output_dir", "Folder for the metrics.", FLAGS)
flags.mark_flags_as_required(["model_dir", "shards"], flag_values=FLAGS)

# What is printed of metrics.json, where it is there: measures of a class, and of all videos.
_OF_A_CLASS = {"accuracy": "", "average_precision": "AP"}
_OF_ALL = {
    "top_1": "top-1",
    "top_5": "top-5",
    "hit_at_1": "hit at 1",
    "hit_at_5": "hit at 5",
    "mean_class_accuracy": "mean over classes",
    "mean_average_precision": "mAP",
    "mean_average_precision_many": "of classes of many clips",
    "mean_average_precision_some": "of some",
    "mean_average_precision_few": "of few",
    "micro_average_precision": "micro AP",
}


def main() -> None:
    import pathlib

    require_own_folder("output_dir", FLAGS.output_dir)
    command.parse_gin(FLAGS)
    from spl_tf import files
    from spl_tf.data.dataset import load_dataset
    from spl_tf.inference.evaluation import evaluate_model
    from spl_tf.inference.trained_model import read_description
    from spl_tf.text_tables import aligned_table

    output_dir = FLAGS.output_dir
    if not output_dir:
        # It is made inside the model's folder: not for a wrong name of that or of the shards.
        read_description(FLAGS.model_dir)
        load_dataset(FLAGS.shards)
        output_dir = pathlib.Path(FLAGS.model_dir, f"evaluate-{pathlib.Path(FLAGS.shards).resolve().name}")
    with files.locked(output_dir, "the metrics"):
        # Not given, gin may name it.
        labels = {"labels_dir": FLAGS.labels} if FLAGS.labels else {}
        metrics = evaluate_model(FLAGS.model_dir, FLAGS.shards, output_dir, **labels)
    rows = []
    for name, row in metrics["per_class"].items():
        measured = [cell for key, text in _OF_A_CLASS.items() if key in row for cell in (text, _percent(row[key]))]
        rows.append((name, f"{row['videos']:,} videos", *measured))
    print(aligned_table(rows, "<" + ">" * (len(rows[0]) - 1)))
    views = metrics["num_views"] * metrics["num_crops"]
    uncounted = len({*metrics["classes_without_videos"]} - {metrics["background"]})
    print(
        f"{metrics['videos']:,} videos ({metrics['clips']:,} clips x {views} views): "
        + ", ".join(f"{text} {_percent(metrics[key], 2)}" for key, text in _OF_ALL.items() if key in metrics)
        + (f" (without {uncounted} of {len(metrics['per_class'])} classes, which have no videos)" if uncounted else "")
    )
    if "classes_summed" in metrics:
        classes, to_query = len(metrics["per_class"]), metrics["query_share"]
        print(
            f"{metrics['classes_summed']:,} classes summed to {classes:,} by {metrics['labels']}: "
            f"of an off-diagonal one {_percent(to_query, 0)} to its query's, "
            f"{_percent(1 - to_query, 0)} to the teacher's"
        )
    print(f"written to {output_dir}")


def _percent(share: float | None, decimals: int = 1) -> str:
    return "-" if share is None else f"{100 * share:.{decimals}f} %"


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
