"""Shows what a folder of shards holds: counts, faults, and pictures of its clips.

  python -m spl_tf.inspect --shards=D --output_dir=O
  python -m spl_tf.inspect --shards=D --predictions=P --labels=L --per=cell --output_dir=O

D is a folder of spl_tf.shard. Printed: clips, videos, time, frames a clip, rejected rows by reason,
clips per class. Of multi-label shards also labels per video, how long the tail of the classes is, and
the pairs of classes that occur together most beyond what chance would give. With --predictions
(what spl_tf.predict wrote for D): noise ratio and the largest cells of the confusion matrix, weak label
x teacher's prediction. With --labels (what spl_tf.label made of P): how many clips of every weak label
are kept, merged into it, and discarded.

With --output_dir, contact sheets. O gets (earlier sheets there are replaced):

  sheet-000.png, ...  a row per class, in class order, or with --per=cell per cell of the confusion matrix,
                      the largest first; each with --clips clips, a clip as a strip of --frames frames
                      evenly spaced in time, under it the clip's id. With --predictions also the teacher's
                      class and confidence. A page is at most 8,000 pixels high. A clip of several classes
                      is in the draw of each, and all of them are written under it.
                      Classes of a multi-label set are drawn by falling number of clips, and when there are more
                      than --rows as many from the head to the end of the tail, in equal steps of rank.
                      --only=surfing, repeatable, gives rows to the classes of these names alone
  clips.csv           sheet, row, clip id, shard and record of every clip shown, its labels, and the key of its
                      upload in the table of metadata, where its manifest had one
  long_tail.png       of multi-label shards: clips of every class, by falling number

How clips are drawn: with predictions, every clip of a class or cell has the same chance, whichever shard
it is in; the side-cars say where the clips are. Without, the classes are read from the records' first
bytes, of whole shards in random order until 100,000 clips were seen: the draw is from these. Only the
drawn records are read; what lies between them is skipped. The same --seed draws the same clips.
Of more than 100,000 clips, time and frames are estimated from as many.

Then every record is read back and checked as by spl_tf.shard --verify; exit code 1 when there is any
fault. --verify=false leaves that out: it reads all of the data. A drawn record that can't be read is set
aside and counted.

Letters that matplotlib's font lacks (Chinese, Japanese, Korean, ...) are taken from a font of the system.
"""

from absl import flags

from spl_tf import command
from spl_tf.folder_flags import define_folder
from spl_tf.output_folders import require_own_folder

FLAGS = flags.FlagValues()
define_folder("shards", "Folder of shards.", FLAGS)
define_folder("predictions", "Folder that spl_tf.predict wrote for these shards.", FLAGS)
define_folder("labels", "Folder that spl_tf.label made of the predictions.", FLAGS)
flags.DEFINE_enum("per", "class", ["class", "cell"], "What a row of the sheets shows.", flag_values=FLAGS)
flags.DEFINE_multi_string("only", [], "Class that gets a row, repeatable; all without.", flag_values=FLAGS)
define_folder("output_dir", "Folder for the contact sheets; none are drawn without it.", FLAGS)
flags.DEFINE_integer("clips", 8, "Clips of a row.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("frames", 4, "Frames of a clip.", lower_bound=1, upper_bound=16, flag_values=FLAGS)
flags.DEFINE_integer("rows", 200, "Most rows of all sheets together.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Of the draw.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_bool("verify", True, "Read every record back and check it.", flag_values=FLAGS)
flags.mark_flags_as_required(["shards"], flag_values=FLAGS)


def main() -> int:
    if FLAGS.output_dir is None:
        why = "contact sheets are drawn with --output_dir alone, give it or leave them out"
        command.require_unset(FLAGS, ("clips", "frames", "rows", "seed", "only"), why)
    if FLAGS.per == "cell":
        command.require_unset(
            FLAGS, ("only",), "it chooses classes, and --per=cell draws the largest cells, leave it out"
        )
    require_own_folder("output_dir", FLAGS.output_dir)
    from spl_tf.inspection.inspect_shards import inspect_shards

    faults = inspect_shards(
        FLAGS.shards,
        predictions_dir=FLAGS.predictions,
        labels_dir=FLAGS.labels,
        per=FLAGS.per,
        only=FLAGS.only,
        output_dir=FLAGS.output_dir,
        clips=FLAGS.clips,
        frames=FLAGS.frames,
        most_rows=FLAGS.rows,
        seed=FLAGS.seed,
        check=FLAGS.verify,
    )
    return 1 if faults else 0


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
