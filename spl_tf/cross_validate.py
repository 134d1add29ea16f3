"""Tells how a teacher errs: predictions of the clean clips by teachers that did not learn from them.

  python -m spl_tf.cross_validate --gin_file=my.gin --shards=shards/target --output_dir=held_out

The clean clips are dealt into --folds parts, all clips of a video into one and every class alike. For each part a
teacher is trained on the others, as gin says to the stage "teacher", and predicts that part. Where several videos show
one scene, the teacher looks better than it is, unless they come into one part too: those in whose ids --same_scene, a
regular expression, finds the same text, e.g. --same_scene='^.*_g[0-9]+' for the groups of UCF101.

Written into held_out, as by spl_tf.predict: <shard>.parquet, SHA256SUMS and predictions.json; "weak" is the true class.
In folds/ the labels, the network and the predictions of every fold; it may be deleted. spl_tf.label, spl_tf.compare and
spl_tf.combine take the folder as --held_out: strategies that need the teacher's confusion, calibration, and what labels
are expected to be worth.

Costs as much as --folds teachers. Stopped at any moment, the same command goes on where it was.
"""

from absl import flags

from spl_tf import command
from spl_tf.folder_flags import define_folder
from spl_tf.output_folders import PREDICTIONS, require_own_folder

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
define_folder("shards", "Folder of the clean shards.", FLAGS)
define_folder("output_dir", "Folder for the predictions.", FLAGS)
flags.DEFINE_integer("folds", 5, "Parts, and so teachers.", lower_bound=2, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Of folds and training.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_string("same_scene", None, "Regular expression, see above.", flag_values=FLAGS)
flags.mark_flags_as_required(["gin_file", "shards", "output_dir"], flag_values=FLAGS)


def main() -> None:
    require_own_folder("output_dir", FLAGS.output_dir, own=PREDICTIONS)
    command.parse_gin(FLAGS)
    import gin

    from spl_tf import files
    from spl_tf.data.dataset import load_dataset
    from spl_tf.experiment.held_out import compiled
    from spl_tf.training.cross_validation import cross_validate

    options = {"num_folds": FLAGS.folds, "seed": FLAGS.seed, "same_scene": compiled(FLAGS.same_scene, "--same_scene=")}
    with files.locked(FLAGS.output_dir, "the predictions"), gin.config_scope("teacher"):
        confusion = cross_validate("teacher", FLAGS.shards, FLAGS.output_dir, **options)
    right, clips = confusion.trace(), confusion.sum()
    print(f"{FLAGS.output_dir}: right on {right:,} of {clips:,} clean clips ({right / clips:.1%})")
    for name, row, own in zip(load_dataset(FLAGS.shards).classes, confusion, confusion.diagonal(), strict=True):
        print(f"  {name}: {own:,} of {row.sum():,}")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
