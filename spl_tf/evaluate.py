"""Measures a trained network on clean videos.

  python -m spl_tf.evaluate --model_dir=M --shards=D

M is the folder of a finished stage of spl_tf.train, D a folder of spl_tf.shard
whose labels are true. Scores are averaged over the views of a record and over all
records of a video, so there is one prediction a video.

Options are gin bindings:

  --gin_param="evaluate_model.num_views = 10"             uniformly spaced views of each record
  --gin_param="evaluate_model.num_crops = 3"              of each view, along the long side
  --gin_param="evaluate_model.fully_convolutional = True" scores of every position, averaged
  --gin_param="evaluate_model.num_frames = 64"            as frame_stride and crop_size, else those of training
  --gin_param="evaluate_model.background = 'Background'"  a class left out of the mean average precision
  --gin_param="evaluate_model.precision = 'bfloat16'"     default float32

Written into --output_dir (default M/evaluate-<name of D>):

  metrics.json    top-1, top-5, mean accuracy and mean average precision over classes, per class;
                  classes_without_videos are in neither mean
  confusion.npy   int64 [N, N], videos by true class (row) and prediction (column)
  videos.csv      one row a video, for paired comparisons of networks
  scores.npy      float32 [videos, N], the scores of every class, rows in the order of videos.csv
"""

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
flags.DEFINE_string("model_dir", None, "Folder of a finished stage.", flag_values=FLAGS)
flags.DEFINE_string("shards", None, "Folder of shards with true labels.", flag_values=FLAGS)
flags.DEFINE_string("output_dir", None, "Folder for the metrics.", flag_values=FLAGS)
flags.mark_flags_as_required(["model_dir", "shards"], flag_values=FLAGS)


def main() -> None:
    import pathlib

    command.parse_gin(FLAGS)
    from spl_tf import files
    from spl_tf.data.dataset import load_dataset
    from spl_tf.inference.evaluation import evaluate_model
    from spl_tf.text_tables import aligned_table

    output_dir = FLAGS.output_dir
    if not output_dir:
        # It is made inside the model's folder: not for a wrong name of that or of the shards.
        files.read_json(
            pathlib.Path(FLAGS.model_dir, "model.json"), "name the --model_dir of a finished stage of spl_tf.train"
        )
        load_dataset(FLAGS.shards)
        output_dir = pathlib.Path(FLAGS.model_dir, f"evaluate-{pathlib.Path(FLAGS.shards).resolve().name}")
    with files.locked(output_dir, "the metrics"):
        metrics = evaluate_model(FLAGS.model_dir, FLAGS.shards, output_dir)
    rows = [
        (name, f"{row['videos']:,} videos", _percent(row["accuracy"]), "AP", _percent(row["average_precision"]))
        for name, row in metrics["per_class"].items()
    ]
    print(aligned_table(rows, "<>>>>"))
    views = metrics["num_views"] * metrics["num_crops"]
    uncounted = len({*metrics["classes_without_videos"]} - {metrics["background"]})
    print(
        f"{metrics['videos']:,} videos ({metrics['clips']:,} clips x {views} views): "
        f"top-1 {_percent(metrics['top_1'], 2)}, top-5 {_percent(metrics['top_5'], 2)}, "
        f"mean over classes {_percent(metrics['mean_class_accuracy'], 2)}, "
        f"mAP {_percent(metrics['mean_average_precision'], 2)}"
        + (f" (without {uncounted} of {len(metrics['per_class'])} classes, which have no videos)" if uncounted else "")
    )
    print(f"written to {output_dir}")


def _percent(share: float | None, decimals: int = 1) -> str:
    return "-" if share is None else f"{100 * share:.{decimals}f} %"


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
