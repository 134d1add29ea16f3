"""Tells what every strategy would make of a web set, so that one can be chosen before anything is trained.

  python -m spl_tf.compare --predictions=P --held_out=H

P is what spl_tf.predict wrote, H what spl_tf.cross_validate wrote: predictions of the clean clips by teachers that did
not learn from them. They tell how the teacher errs, and with the confusion matrix of P what the clips of its cells are
likely to show. Without H the accuracy that spl_tf.evaluate or a validation measured is taken, where there is one.

  python -m spl_tf.compare --predictions=P --held_out=H --truth=looked_at.csv

looked_at.csv has the columns clip_id and label: some hundred web clips, drawn at random, that somebody looked at; an
empty label is of a clip that shows none of the classes. Of these the same numbers are measured, with intervals. It is
used for nothing else.

Printed, a line for each strategy of spl_tf.label:

  classes     of the labels
  kept        share of the clips that get one
  purity      kept clips that show what most clips of their label show
  bits        mutual information: what the label of a kept clip tells of the class it shows
  bits/clip   the same over all clips, of which those without a label tell nothing
  rarest      clips kept of the class that keeps fewest, a share

spl_m, spl_d and spl_ib have a line for every number of classes in --num_labels. The methods of spl_tf.clean look at
features and are not compared. Nothing is written but, with --output, the table as a CSV file.
"""

import csv
import dataclasses
import pathlib

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from spl_tf.folder_flags import define_file, define_folder

FLAGS = flags.FlagValues()
define_folder("predictions", "Folder that spl_tf.predict wrote.", FLAGS)
define_folder("held_out", "Folder that spl_tf.cross_validate wrote.", FLAGS)
define_file("truth", "CSV file of what some web clips show.", FLAGS)
flags.DEFINE_list("strategies", [], "Strategies to compare, with commas; all when not given.", flag_values=FLAGS)
flags.DEFINE_list(
    "num_labels",
    [],
    "Numbers of classes of spl_m, spl_d and spl_ib, with commas; 2 N when not given.",
    flag_values=FLAGS,
)
flags.DEFINE_bool("calibrate", False, "As of spl_tf.label.", flag_values=FLAGS)
flags.DEFINE_float("min_confidence", 0.0, "As of spl_tf.label.", 0.0, 1.0, flag_values=FLAGS)
define_file("output", "CSV file for the table.", FLAGS, written=True)
flags.mark_flag_as_required("predictions", flag_values=FLAGS)


def main() -> None:
    from spl_tf.files import atomic_path
    from spl_tf.labels.comparison import compare_strategies
    from spl_tf.labels.comparison_text import comparison_rows, comparison_text
    from spl_tf.labels.labellers import PAIR_LABELLERS, labeller
    from spl_tf.labels.predictions import open_predictions
    from spl_tf.labels.teacher_confusion import calibration_of, known_confusion, open_held_out
    from spl_tf.labels.truth_list import read_truth_list

    chosen = []
    numbers = [_number(text) for text in FLAGS.num_labels]
    for name in FLAGS.strategies or PAIR_LABELLERS:
        takes_number = "num_labels" in labeller(name).parameters
        chosen += (
            [labeller(name, num_labels=number) for number in numbers] if takes_number and numbers else [labeller(name)]
        )
    predictions = open_predictions(FLAGS.predictions)
    held_out = None
    if FLAGS.held_out is not None:
        held_out = open_held_out(FLAGS.held_out, predictions.classes, FLAGS.predictions)
    if FLAGS.calibrate and held_out is None:
        raise UserError("--calibrate goes by clean clips: give --held_out")
    if FLAGS.calibrate and held_out is not None:
        found = calibration_of(predictions, held_out)
        print(f"temperature {found.temperature:.2f}, {found}")
        predictions, held_out = (
            dataclasses.replace(folder, temperature=found.temperature) for folder in (predictions, held_out)
        )
    truth = None if FLAGS.truth is None else read_truth_list(pathlib.Path(FLAGS.truth), predictions.classes)
    teacher = known_confusion(predictions, held_out, FLAGS.min_confidence)
    compared = compare_strategies(predictions, chosen, teacher, truth, FLAGS.min_confidence)
    if FLAGS.output is not None:
        rows = comparison_rows(compared)
        with atomic_path(FLAGS.output) as path, open(path, "w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    print(comparison_text(compared))


def _number(text: str) -> int:
    if not text.strip().isdecimal():
        raise UserError(f"--num_labels={text}: give whole numbers, with commas between them")
    return int(text)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
