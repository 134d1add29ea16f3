"""Makes the manifests of Clothing1M, or of any data set in its layout, for spl_tf.recipe and spl_tf.shard.

  python -m tools.clothing1m.manifest --data=Clothing1M --output_dir=data/clothing1m

--data holds Clothing1M's own text files, at its root or in annotations/:

  category_names_eng.txt    the classes, one a line; a label is a position in it. Any number of classes.
  clean_label_kv.txt        lines "<key> <label>"; a key is an image's path from --data on, and may have
  noisy_label_kv.txt        blanks in it
  clean_train_key_list.txt  which keys belong to which set, one a line
  clean_val_key_list.txt
  clean_test_key_list.txt
  noisy_train_key_list.txt

Without key lists --data may hold four folders instead, each with a folder per class: clean_train (or target_train,
train), clean_val (validation, val, valid), clean_test (test) and noisy_train (noisy, web). The classes are those of
classes.txt or category_names_eng.txt beside them, else the clean sets' folders, sorted.

Written into --output_dir, where spl_tf.recipe's video_folder looks for them:

  classes.txt       the classes; written last: it marks the folder as finished
  target_train.csv  clean training images: video_id (the key), path, label
  validation.csv    clean validation images, likewise
  test.csv          clean test images, likewise
  web.csv           noisy training images: video_id, path, query (the class its noisy label names)
  both_labels.csv   clean training images that have a noisy label too: video_id, path, label, query;
                    only where there are any
  rejected.csv      every other line of the key lists: key, list, reason

Reasons: key leaves the folder, unusable file name, repeated key, also in ... (a key in several clean
lists stays in test, else in validation), held out (a noisy key that is in clean validation or test),
no label, line of ... columns (a label file's, with more than key and label), contradictory labels, label
is no class id, label out of range, unknown class, no suffix of an image, missing image, not a file, empty file. None of
them stops the run, unless a list is left without any key; then nothing is written.

Images are not opened: spl_tf.shard rejects the damaged ones when it decodes them, and goes on where it was
stopped. --verify decodes every image already here, on all cores, and rejects what spl_tf.shard would with
its --short_side=256. A run that was stopped begins anew.
"""

import os
import pathlib
import sys
from collections.abc import Iterable

from absl import flags

from spl_tf import command, files
from spl_tf.data.lists.csv_tables import text
from spl_tf.errors import Terminated, UserError
from spl_tf.text_tables import counted
from tools.clothing1m import checks, class_folders, faults, image_files, layout
from tools.collect import tables

FLAGS = flags.FlagValues()
flags.DEFINE_string("data", None, "Folder in Clothing1M's layout.", flag_values=FLAGS)
flags.DEFINE_string("output_dir", None, "Folder for the manifests.", flag_values=FLAGS)
flags.DEFINE_boolean("verify", False, "Decode every image.", flag_values=FLAGS)
flags.DEFINE_integer("workers", None, "Processes of --verify; one per core when not given.", flag_values=FLAGS)

_CLASSES = "classes.txt"
_BOTH = "both_labels.csv"
_REJECTED = "rejected.csv"
# File -> its list and its column of class names.
_MANIFESTS = {
    "target_train.csv": (layout.CLEAN_TRAIN, "label"),
    "validation.csv": (layout.CLEAN_VALIDATION, "label"),
    "test.csv": (layout.CLEAN_TEST, "label"),
    "web.csv": (layout.NOISY_TRAIN, "query"),
}


def main() -> int:
    try:
        _make_manifests()
        return 0
    except KeyboardInterrupt:  # Other commands go on where they were stopped.
        print("spl_tf: interrupted; the same command begins anew", file=sys.stderr, flush=True)
        return 130
    except Terminated as error:
        raise Terminated("terminated; the same command begins anew") from error


def _make_manifests() -> None:
    command.require_flags(FLAGS, "data", "output_dir")
    workers = (os.cpu_count() or 1) if FLAGS.workers is None else FLAGS.workers
    if workers < 1:
        raise UserError(f"--workers={workers}: give 1 or more")
    data = pathlib.Path(FLAGS.data)
    places = {} if layout.has_lists(data) else class_folders.find(data)
    known = class_folders.read(data, places) if places else layout.read_layout(data)
    # Without links on the way, `..` in a relative path leads where it says.
    folder = os.path.realpath(FLAGS.data)
    images = image_files.ImageFiles(folder)
    selection = checks.select(known, images)
    faults.require_images(known, selection, images)
    if FLAGS.verify:
        selection = _verified(selection, images, workers)
        faults.require_images(known, selection, images)
    print(write(pathlib.Path(FLAGS.output_dir), folder, known, selection))


def write(output_dir: pathlib.Path, folder: str, known: layout.Layout, selection: checks.Selection) -> str:
    """Writes the manifests, the rejected lines and, last, the classes; returns a summary.

    Without classes no command takes the folder, so a run that is stopped leaves no set of old and new files.

    Args:
      output_dir: created when missing.
      folder: of the data set.
      known: its text files.
      selection: what is usable.

    Raises:
      UserError: the way from `output_dir` to `folder` cannot be written into a manifest.
    """
    way = os.path.relpath(folder, os.path.realpath(output_dir))
    if way != text(way):
        raise UserError(f"the path {text(way)!r} cannot stand in a manifest: rename the folder of --data")
    names = known.classes

    def start(key: str) -> tuple[str, str]:
        return key, f"{way}/{key}"

    summary = [f"{output_dir}: {len(names)} classes"]
    (output_dir / _CLASSES).unlink(missing_ok=True)
    for file_name, (list_name, column) in _MANIFESTS.items():
        rows = [(*start(key), names[label]) for key, label in selection.images[list_name].items()]
        tables.write(output_dir / file_name, ("video_id", "path", column), rows)
        kinds = [row.kind for row in selection.rejected if row.list_name == list_name]
        summary.append(f"  {file_name}: {len(rows):,} of {len(known.keys[list_name]):,} keys{_in_brackets(kinds)}")
    both = selection.both_labels(known.noisy_labels)
    if both:
        rows = [(*start(key), names[clean], names[noisy]) for key, (clean, noisy) in both.items()]
        tables.write(output_dir / _BOTH, ("video_id", "path", "label", "query"), rows)
        summary.append(f"  {_BOTH}: {len(both):,} images with a clean and a noisy label")
    else:
        (output_dir / _BOTH).unlink(missing_ok=True)
    lines = [(text(row.key), row.list_name, row.reason) for row in selection.rejected]
    tables.write(output_dir / _REJECTED, ("key", "list", "reason"), lines)
    files.write_lines(output_dir / _CLASSES, names)
    if lines:
        summary.append(f"{len(lines):,} keys gave no row: see {_REJECTED}")
    summary += [f"{count:,} labels of {name} have no list" for name, count in selection.unlisted.items() if count]
    summary += faults.notes(known)
    return "\n".join(summary)


def _in_brackets(kinds: Iterable[str]) -> str:
    listed = counted(kinds)
    return f" ({listed})" if listed else ""


def _verified(selection: checks.Selection, images: image_files.ImageFiles, workers: int) -> checks.Selection:
    keys = list(dict.fromkeys(key for chosen in selection.images.values() for key in chosen))
    reasons = image_files.damaged([images.path(key) for key in keys], workers)
    return selection.without({key: reason for key, reason in zip(keys, reasons, strict=True) if reason})


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
