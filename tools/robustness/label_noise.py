"""Rewrites a list of videos with wrong labels on purpose, and says what it did.

  python -m tools.robustness.label_noise --list=train.csv --output=noisy.csv --kind=stratified --share=0.4
  python -m tools.robustness.label_noise --list=train.csv --output=noisy.csv --kind=class_dependent \\
      --matrix=T.npy --classes=classes.txt

--list is a list as spl_tf.shard reads it, with one label a row. --kind is one of

  stratified       of every class c exactly ceil(share * n_c) labels become one of the other classes, each with equal
                   chance: NoisyActions2M's "asymmetric" noise (Table 6), as its authors' lists have it
  symmetric        every label becomes one of the other classes with the probability --share, each with equal chance
  pairwise         every label becomes that of the next class (the first after the last) with the probability --share;
                   with --pairs=P the class that P, a CSV file with the columns label,to, has for it, and stays where P
                   has none
  class_dependent  class i becomes j with the probability T[i, j] of --matrix: a .npy file as spl_tf.transition writes
                   it, or N lines of N numbers separated by commas, in the order of --classes

Classes are those of --classes, one a line; without it the labels of the list, sorted. Labels that are numbers of
--classes become names.

One draw is made for each video, so that its segments stay consistent: rows that share path or video_id and have one
label get one new label. Shares are of videos. What a video gets depends on --seed and on the paths of its class, not on
the order of the rows. With one seed, what a smaller share flips is flipped by a larger one too, and to the same class.

Written, for --output=noisy.csv:

  noisy.csv         every row, the new label in the place of the old one, and the old one in the column clean_label.
                    All else stays, but for relative paths, which are given anew when noisy.csv lies in another folder
  noisy.noise.json  what was done: options, seed, checksums of the files read, counts of every class
"""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
from absl import flags

from spl_tf import __version__, command, files
from spl_tf.data.lists.class_folders import manifest_digest
from spl_tf.data.lists.csv_tables import PATH
from spl_tf.errors import UserError
from spl_tf.labels import noise
from spl_tf.labels.classes import read_classes
from spl_tf.text_tables import markdown_table
from tools.collect import tables
from tools.robustness import matrices
from tools.robustness.labelled_list import LabelledList, read_labelled_list

FLAGS = flags.FlagValues()
flags.DEFINE_string("list", None, "List of videos with one label a row.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "CSV file to write.", flag_values=FLAGS)
flags.DEFINE_enum(
    "kind", None, ["stratified", "symmetric", "pairwise", "class_dependent"], "Of the noise.", flag_values=FLAGS
)
flags.DEFINE_float("share", None, "Of the labels that become wrong, 0 to 1.", flag_values=FLAGS)
flags.DEFINE_string("pairs", None, "CSV file with the columns label,to.", flag_values=FLAGS)
flags.DEFINE_string("matrix", None, "P(noisy label j | class i), .npy or .csv.", flag_values=FLAGS)
flags.DEFINE_string("classes", None, "Text file with one class name a line.", flag_values=FLAGS)
flags.DEFINE_string("label_column", "label", "Column of the list with the label.", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Of the draws.", flag_values=FLAGS)

CLEAN = "clean_label"
_REPORT = ".noise.json"
# What each kind needs, and what else it takes.
_OPTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "stratified": (("share",), ()),
    "symmetric": (("share",), ()),
    "pairwise": (("share",), ("pairs",)),
    "class_dependent": (("matrix", "classes"), ()),
}


def main() -> None:
    command.require_flags(FLAGS, "list", "output", "kind")
    _require_fitting_options()
    inputs = [path for path in (FLAGS.list, FLAGS.pairs, FLAGS.matrix, FLAGS.classes) if path]
    output = tables.output_path(FLAGS.output, (_REPORT,), inputs)
    if os.path.lexists(output):
        raise UserError(f"{output} is there already: remove it, or choose another --output")
    path = pathlib.Path(FLAGS.list)
    clean = read_labelled_list(path, FLAGS.label_column, read_classes(FLAGS.classes) if FLAGS.classes else None)
    if CLEAN in clean.columns:
        raise UserError(f"{path} has a column {CLEAN!r} and so noisy labels already: give the list they were made from")
    if len(clean.classes) < 2:
        raise UserError(f"{path} has labels of {clean.classes[0]!r} alone: name the other classes with --classes")
    labels = _draw(clean)
    report = _report(path, clean, labels)
    files.write_json(output.with_suffix(_REPORT), report)
    _write(output, path, clean, labels)  # Last: where it is, all is done.
    print(_summary(output, report))


def _require_fitting_options() -> None:
    needed, others = _OPTIONS[FLAGS.kind]
    if absent := [f"--{name}" for name in needed if FLAGS[name].value is None]:
        raise UserError(f"{' '.join(absent)} missing: needed for --kind={FLAGS.kind}, see --help")
    unused = {"share", "pairs", "matrix"} - {*needed, *others}
    command.require_unset(FLAGS, sorted(unused), f"they are not of --kind={FLAGS.kind}, leave them out")
    if FLAGS.share is not None and not 0 <= FLAGS.share <= 1:
        raise UserError(f"--share={FLAGS.share:g}: give a number from 0 to 1")
    if FLAGS.seed < 0:
        raise UserError(f"--seed={FLAGS.seed}: give 0 or more")


def _draw(clean: LabelledList) -> np.ndarray:
    """The new label of each unit, int32 [units]."""
    num_classes = len(clean.classes)
    if FLAGS.kind == "stratified":
        return noise.flip_stratified(clean.truth, FLAGS.share, num_classes, FLAGS.seed)
    if FLAGS.kind == "symmetric":
        matrix = noise.symmetric_matrix(num_classes, FLAGS.share)
    elif FLAGS.kind == "pairwise":
        following = matrices.next_class(num_classes)
        targets = matrices.read_pairs(pathlib.Path(FLAGS.pairs), clean.classes) if FLAGS.pairs else following
        matrix = noise.pair_matrix(num_classes, FLAGS.share, targets)
    else:
        matrix = matrices.read_matrix(pathlib.Path(FLAGS.matrix), clean.classes)
    return noise.flip_by_matrix(clean.truth, matrix, FLAGS.seed)


def _write(output: pathlib.Path, path: pathlib.Path, clean: LabelledList, labels: np.ndarray) -> None:
    folder = path if path.is_dir() else path.parent
    is_moved = os.path.realpath(folder) != os.path.realpath(output.parent)
    rows = []
    for row, unit in zip(clean.rows, clean.units, strict=True):
        noisy, true = (clean.classes[ids[unit]] for ids in (labels, clean.truth))
        written = row | {FLAGS.label_column: noisy, CLEAN: true}
        if is_moved and not os.path.isabs(row[PATH]):
            written[PATH] = tables.path_beside(os.path.join(folder, row[PATH]), output)
        rows.append(list(written.values()))
    tables.write(output, (*clean.columns, CLEAN), rows)


def _report(path: pathlib.Path, clean: LabelledList, labels: np.ndarray) -> dict:
    """What was done, for JSON."""
    is_flipped = labels != clean.truth
    counts = {"videos": clean.truth, "flipped_videos": clean.truth[is_flipped]}
    of_rows = clean.truth[clean.units]
    counts |= {"rows": of_rows, "flipped_rows": of_rows[is_flipped[clean.units]]}
    per_class = {name: np.bincount(ids, minlength=len(clean.classes)).tolist() for name, ids in counts.items()}
    read = {name: FLAGS[name].value for name in ("classes", "pairs", "matrix") if FLAGS[name].value}
    return {
        "kind": FLAGS.kind,
        "share": FLAGS.share,
        "seed": FLAGS.seed,
        "list": str(path),
        "list_sha256": manifest_digest(path),
        **{f"{name}_sha256": files.sha256(name_of) for name, name_of in read.items()},
        **{name: len(ids) for name, ids in counts.items()},
        "noise_ratio": len(counts["flipped_rows"]) / len(of_rows),
        "per_class": {
            class_name: {name: numbers[class_id] for name, numbers in per_class.items()}
            for class_id, class_name in enumerate(clean.classes)
        },
        "made_with": f"spl_tf {__version__}, numpy {np.__version__}",
    }


def _summary(output: pathlib.Path, report: dict) -> str:
    """A table of the classes, and a line."""
    header = ["class", "videos", "flipped", "share"]
    lines = [_line(name, counts) for name, counts in report["per_class"].items()]
    return (
        f"{markdown_table(header, lines)}\n"
        f"{output}: {report['rows']:,} rows of {report['videos']:,} videos, {report['flipped_rows']:,} rows of "
        f"{report['flipped_videos']:,} videos with a wrong label, noise ratio {report['noise_ratio']:.2%}; see "
        f"{output.with_suffix(_REPORT).name}"
    )


def _line(name: str, counts: dict[str, int]) -> Sequence[str]:
    videos, flipped = counts["videos"], counts["flipped_videos"]
    return [name, f"{videos:,}", f"{flipped:,}", f"{flipped / videos:.1%}" if videos else "-"]


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
