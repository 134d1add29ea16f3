"""Makes one teacher of several, also of other tools: predictions with the mean of their scores.

  python -m spl_tf.combine --predictions=P1 --predictions=P2 --scores=clip_zero_shot.parquet --output_dir=P

P1, P2 are what spl_tf.predict wrote for the same shards. --scores is a file of any other tool: a Parquet file with the
columns clip_id (as in P1) and scores, lists of a probability for every class in the order of P1/predictions.json, in
any order of rows. Both may be repeated; at least one folder is needed, for its weak labels.

The scores of a clip are the mean of its teachers' distributions, weighted by --weights (of the folders, then of the
files). What the --top_k best scores of a teacher leave is spread evenly over the other classes. Give networks and other
tools weights by how good they are on clean clips; calibrate them first where one is much surer than the others.

Written into P, as by spl_tf.predict: <shard>.parquet, SHA256SUMS and predictions.json; and unscored.csv with the clips
that a file of scores does not have: these are scored by the others. Stopped at any moment, the same command goes on
with the shards that are missing.

What spl_tf.cross_validate wrote for several teachers is combined in the same way, and is then the --held_out of P.
"""

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from spl_tf.folder_flags import define_files, define_folder, define_folders
from spl_tf.output_folders import PREDICTIONS, require_own_folder

FLAGS = flags.FlagValues()
define_folders("predictions", "Folder of predictions, repeatable.", FLAGS)
define_files("scores", "Parquet file of scores, repeatable.", FLAGS)
flags.DEFINE_list("weights", None, "A number a teacher, with commas; all alike when not given.", flag_values=FLAGS)
flags.DEFINE_integer("top_k", 5, "Highest scores that are kept.", lower_bound=1, flag_values=FLAGS)
define_folder("output_dir", "Folder for the predictions.", FLAGS)
flags.mark_flags_as_required(["predictions", "output_dir"], flag_values=FLAGS)


def main() -> None:
    from spl_tf import files
    from spl_tf.labels.several_teachers import UNSCORED, combine_teachers

    require_own_folder("output_dir", FLAGS.output_dir, own=PREDICTIONS)
    weights = None if FLAGS.weights is None else [_weight(text) for text in FLAGS.weights]
    with files.locked(FLAGS.output_dir, "the predictions"):
        options = {"scores": FLAGS.scores, "weights": weights, "top_k": FLAGS.top_k}
        found = combine_teachers(FLAGS.predictions, FLAGS.output_dir, **options)
    print(f"{found['num_clips']:,} clips in {len(found['shards'])} side-cars: {FLAGS.output_dir}")
    for path, count in found["unscored"].items():
        if count:
            print(f"{path} lacks {count:,} of them, listed in {UNSCORED}: scored by the others")
    for path, count in found["foreign"].items():
        if count:
            print(f"{path} has {count:,} clips that are not among the predictions: left out")


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UserError(f"--weights={text}: give numbers, with commas between them") from error


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
