"""Gives every web clip a label from its query and the teacher's prediction.

  python -m spl_tf.label --predictions=P --strategy=spl_b --output_dir=L

P is what spl_tf.predict wrote. The strategies, over N classes, with a clip queried as l in which
the teacher sees t:

  weak         l                                                     N classes
  teacher      t                                                     N
  agreement    l where l = t, else discarded                         N
  spl          every pair (l, t) a class: N * l + t                  N * N
  spl_m        the most frequent pairs are classes, the rest is l    --num_labels, default 2 N
  spl_d        the same pairs, the rest discarded                    --num_labels, default 2 N
  spl_b        l where l = t, else "l, but something else is seen"   2 N
  spl_ib       pairs merged where the teacher sees alike             --num_labels, default 2 N
  mopro        t where its score is above threshold (0.8), else l    N
               where its score is above 1 / N, else discarded
  dawid_skene  a distribution over the classes for every (l, t)      N
  cell_posterior  the same, from the teacher's errors on clean clips N
  crowdlab     a distribution for every clip, of l and the teacher's N
               probabilities, weighted by what each is worth
  partial      l and t, one of which is right                        N

spl_ib (an information bottleneck, Slonim and Tishby 1999), mopro (Li et al. 2021, without prototypes), dawid_skene
(query and teacher as two annotators, Dawid and Skene 1979) and crowdlab (Goh et al. 2022) need predictions that hold
the teacher's best classes and their scores. cell_posterior and crowdlab need --held_out=H, what spl_tf.cross_validate
wrote: clean clips predicted by teachers that did not learn from them. With H, or where the teacher was evaluated or
validated, it is told what the labels are expected to be worth; spl_tf.compare tells it of all strategies at once.
spl_tf.clean makes labels with the help of a clean set. Distributions are learned with train_stage.objective =
@soft_label, the candidates of partial with @partial_label.

Example: the paper's 400 classes for 200 queries, without the clips the teacher is unsure of:

  python -m spl_tf.label --predictions=P --strategy=spl_d --num_labels=400 --min_confidence=0.3 --output_dir=L

Further options of a strategy, as `name=value`:

  python -m spl_tf.label --predictions=P --strategy=mopro --option=threshold=0.9 --output_dir=L

Written into L (other labels there are set aside as L.replaced-1):

  <shard>.parquet  one row a record of the shard: clip_id, label (-1 = discarded), weight; a distribution has
                   classes and probabilities, empty for a discarded clip, in place of label,
                   partial labels have candidates
  confusion.npy    int64 [N, N], clips by query (row) and teacher prediction (column)
  cells.npz        class of every cell of that matrix, and which cells were merged into their query's
  confusion.png    the matrix as a picture
  long_tail.png    clips per class
  SHA256SUMS       checksums of side-cars and arrays
  summary.json     strategy, names of the new classes, clips per class, ratios, every query's agreement
                   with the teacher against chance; written last

Printed: how many clips are kept, merged into their query's class and discarded, the noise ratio, the
confusion matrix (up to 20 classes), clips per class, and for every query (of more than 20, only those
flagged) the share of its clips in which the teacher sees its class, and that share in the clips of
other queries, which is chance. A query that the teacher agrees with no more often than by chance is flagged: either
it finds something else, or the teacher, whose accuracy is printed where it was measured, does not know the class.

The shards are not touched: another strategy costs seconds and a few megabytes.
"""

import ast
from typing import Any

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from spl_tf.folder_flags import define_folder
from spl_tf.output_folders import LABELS, require_own_folder

FLAGS = flags.FlagValues()
define_folder("predictions", "Folder that spl_tf.predict wrote.", FLAGS)
flags.DEFINE_string("strategy", None, "Name of a strategy, see above.", flag_values=FLAGS)
define_folder("output_dir", "Folder for the labels.", FLAGS)
flags.DEFINE_integer(
    "num_labels",
    None,
    "Classes of spl_m, spl_d and spl_ib, from N to N * N; 2 N when not given.",
    flag_values=FLAGS,
)
define_folder("held_out", "Folder that spl_tf.cross_validate wrote.", FLAGS)
flags.DEFINE_bool(
    "calibrate", False, "Bring the teacher's scores to the temperature that fits --held_out best.", flag_values=FLAGS
)
flags.DEFINE_multi_string("option", [], "An option of the strategy, as name=value; repeatable.", flag_values=FLAGS)
flags.DEFINE_float(
    "min_confidence",
    0.0,
    "Discard clips of whose prediction the teacher is less sure than this (0 to 1). Such clips do not count "
    "when spl_m and spl_d choose their classes. Not for the strategy weak, which does not ask the teacher.",
    flag_values=FLAGS,
)
flags.mark_flags_as_required(["predictions", "strategy", "output_dir"], flag_values=FLAGS)


def main() -> None:
    import pathlib

    import numpy as np

    from spl_tf.cleaning.methods import METHODS
    from spl_tf.labels.assign import assign_labels
    from spl_tf.labels.labellers import labeller
    from spl_tf.labels.predictions import measured_accuracy
    from spl_tf.labels.summary_text import report

    require_own_folder("output_dir", FLAGS.output_dir, own=LABELS)
    strategy = FLAGS.strategy
    if strategy in METHODS:
        raise UserError(f"{strategy} cleans labels with a teacher's features: use spl_tf.clean --method={strategy}")
    if strategy == "compare":
        raise UserError(f"to compare strategies, use spl_tf.compare --predictions={FLAGS.predictions}")
    options = _options(FLAGS.option)
    chosen = labeller(strategy, **options)
    if FLAGS.num_labels is not None:
        if "num_labels" not in chosen.parameters:
            raise UserError(f"--num_labels is for spl_m and spl_d, {strategy} has its own number: leave it out")
        options["num_labels"] = FLAGS.num_labels
    if FLAGS.min_confidence and not chosen.uses_teacher:
        raise UserError(f"--min_confidence is of the teacher, which {strategy} does not ask: leave it out")
    folder = FLAGS.output_dir
    if FLAGS.calibrate and not chosen.uses_teacher:
        raise UserError(f"--calibrate is of the teacher, which {strategy} does not ask: leave it out")
    options |= {"min_confidence": FLAGS.min_confidence, "held_out": FLAGS.held_out, "calibrate": FLAGS.calibrate}
    summary = assign_labels(FLAGS.predictions, strategy, folder, **options)
    confusion = np.load(pathlib.Path(folder) / "confusion.npy")
    print(report(summary, confusion, measured_accuracy(FLAGS.predictions)))
    print(f"\nLabels and figures are in {folder}")


def _options(pairs: list[str]) -> dict[str, Any]:
    """["threshold=0.9"] -> {"threshold": 0.9}; what is no Python value stays text, for the strategy to refuse."""
    options = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise UserError(f"--option={pair}: give a name and a value, e.g. --option=threshold=0.9")
        try:
            options[name] = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            options[name] = text
    return options


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
