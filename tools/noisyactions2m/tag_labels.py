"""Gives the videos of a list more labels from what their owners wrote (paper section 7.1).

  python -m tools.noisyactions2m.tag_labels --metadata=metadata.parquet --classes=classInd.txt --labels=trainlist.txt \\
      --output=more

A video gets each class whose name stands in its tags, title or description, compared by the base forms of the words.
The paper tried WordNet synsets and found "many redundant and noisy labels": what was added is listed to be looked at
before it is used. --least_words=2 passes over names of one word, such as "spring". Where several classes have one base
form all are added: merge the classes first (tools.noisyactions2m.merge).

Written into the folder --output:

  <list>.more.txt          the list, the new labels behind the old ones, by falling number of fields that have them
  more_labels.csv          class_id,class,videos,added, and for each field in how many of the added it was found
  more_labels_videos.csv   video,class_id,class,fields of every label added
  more_labels_findings.csv file,line,kind,detail of what was mended or left out while the lists were read

What has been matched lies in <list>.more.parts until the end: the same command goes on from where it was stopped.
"""

import collections
import csv
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import tqdm
from absl import flags

from spl_tf import command, files, stored
from spl_tf.errors import UserError
from tools.collect import tables
from tools.noisyactions2m import kept_parts, lists, table
from tools.noisyactions2m.class_matcher import ClassMatcher
from tools.noisyactions2m.video_names import VideoNames

FIELDS = ("tags", "title", "description", "comments")

FLAGS = flags.FlagValues()
flags.DEFINE_string("metadata", None, "The table of metadata, a Parquet file.", flag_values=FLAGS)
flags.DEFINE_string("classes", None, "The class list.", flag_values=FLAGS)
flags.DEFINE_string("labels", None, "The label list to add to.", flag_values=FLAGS)
flags.DEFINE_list("fields", ["tags", "title", "description"], "Where to look; also comments.", flag_values=FLAGS)
flags.DEFINE_integer("least_words", 1, "Of a class name that is looked for.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_string("output", None, "Folder for the new list.", flag_values=FLAGS)


def main() -> None:
    command.require_flags(FLAGS, "metadata", "classes", "labels", "fields", "output")
    if unknown := [name for name in FLAGS.fields if name not in FIELDS]:
        raise UserError(f"--fields: {unknown[0]!r} is none of {', '.join(FIELDS)}")
    report: list[lists.Fault] = []
    classes = lists.read_classes(FLAGS.classes, report)
    rows = lists.read_labels(FLAGS.labels, classes, report)
    found = VideoNames(FLAGS.metadata).find(pa.array([video for video, _ in rows], pa.string()))
    for (video, _), row in zip(rows, found.tolist(), strict=True):
        if row < 0:
            report.append(lists.Fault(FLAGS.labels, 0, "video not in the metadata", video))
    matcher = ClassMatcher(classes, FLAGS.least_words)
    path = pathlib.Path(FLAGS.output) / f"{pathlib.Path(FLAGS.labels).stem}.more.txt"
    parts = path.with_suffix(".parts")
    given = [files.sha256(source) for source in (FLAGS.metadata, FLAGS.classes, FLAGS.labels)]
    made_of = kept_parts.identity(given, list(FLAGS.fields), FLAGS.least_words)
    with kept_parts.kept(parts, "the new labels", made_of, ("matched-*.json",)):
        new = new_labels(FLAGS.metadata, FLAGS.fields, matcher, rows, found, parts)
        print(write(path, classes, rows, new, FLAGS.fields, report))


def new_labels(
    metadata: files.Path,
    fields: Sequence[str],
    matcher: ClassMatcher,
    rows: Sequence[tuple[str, Sequence[int]]],
    found: np.ndarray,
    parts: pathlib.Path,
) -> Iterator[tuple[int, dict[int, list[str]]]]:
    """Yields, in the order of the table, a row of the list and its new labels, each with the fields that have it.

    Args:
      metadata: the table.
      fields: where to look.
      matcher: knows the classes.
      rows: of the list.
      found: int64 [rows], where each video is in the table; negative for nowhere.
      parts: folder for what was found in each batch of the table; a batch that is there is not looked at again.
    """
    # Two rows of the list may be one video, by key and by id.
    listed: dict[int, list[int]] = {}
    for place, row in enumerate(found.tolist()):
        listed.setdefault(row, []).append(place)
    first = 0
    with tqdm.tqdm(total=int(found.max(initial=-1)) + 1, desc="matching", unit="video") as progress:
        for number, batch in enumerate(table.read_rows(metadata, list(fields))):
            path = parts / f"matched-{number:06d}.json"
            if not path.exists():
                files.write_json(path, list(_of_batch(batch, first, matcher, rows, listed)))
            yield from stored.read_json(path, list[tuple[int, dict[int, list[str]]]], f"delete {parts}")
            first += len(batch)
            progress.update(len(batch))


def _of_batch(
    batch: pa.RecordBatch,
    first: int,
    matcher: ClassMatcher,
    rows: Sequence[tuple[str, Sequence[int]]],
    listed: Mapping[int, Sequence[int]],
) -> Iterator[tuple[int, dict[int, list[str]]]]:
    """The same for rows of the table from the row `first` on; `listed` has rows of the list by rows of the table."""
    for row, values in enumerate(batch.to_pylist(), first):
        for place in listed.get(row, ()):
            labels: dict[int, list[str]] = {}
            for field in batch.schema.names:
                for label in sorted(_classes_in(matcher, values[field]) - set(rows[place][1])):
                    labels.setdefault(label, []).append(field)
            if labels:
                yield place, labels


def write(
    path: pathlib.Path,
    classes: Mapping[int, str],
    rows: Sequence[tuple[str, Sequence[int]]],
    new: Iterator[tuple[int, dict[int, list[str]]]],
    fields: Sequence[str],
    report: Sequence[lists.Fault],
) -> str:
    """Writes the new list and what was added; returns a summary.

    Args:
      path: of the new list; the reports lie beside it.
      classes: id -> name.
      rows: of the old list.
      new: from `new_labels`.
      fields: that were looked at.
      report: what the lists' readers said.
    """
    folder = path.parent
    longer = [tuple(labels) for _, labels in rows]
    added: dict[int, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    listing = folder / "more_labels_videos.csv"
    with files.atomic_path(listing) as temporary, open(temporary, "w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(("video", "class_id", "class", "fields"))
        for place, labels in new:
            ordered = sorted(labels, key=lambda label: (-len(labels[label]), label))
            longer[place] += tuple(ordered)
            for label in ordered:
                added[label].update(["", *labels[label]])
                writer.writerow((rows[place][0], label, classes[label], "|".join(labels[label])))
    lists.write_labels(path, ((video, labels) for (video, _), labels in zip(rows, longer, strict=True)))
    before = collections.Counter(label for _, labels in rows for label in labels)
    counts = (
        (label, name, before[label], added[label][""], *(added[label][field] for field in fields))
        for label, name in classes.items()
    )
    tables.write(folder / "more_labels.csv", ("class_id", "class", "videos", "added", *fields), counts)
    lists.write_report(folder / "more_labels_findings.csv", report)
    total = sum(each[""] for each in added.values())
    more = sum(len(after) > len(old) for after, (_, old) in zip(longer, rows, strict=True))
    means = (np.mean([len(labels) for labels in each]) for each in ([labels for _, labels in rows], longer))
    found = ", ".join(f"{field} {sum(each[field] for each in added.values())}" for field in fields)
    return "\n".join(
        [
            f"{path}: {len(rows)} videos, {' -> '.join(f'{mean:.2f}' for mean in means)} labels a video",
            f"{total} labels added to {more} videos ({found}): see {folder}{os.sep}more_labels.csv",
            lists.summary(report, "more_labels_findings.csv"),
        ]
    )


def _classes_in(matcher: ClassMatcher, value: str | list[str] | None) -> set[int]:
    if isinstance(value, list):
        return matcher.in_tags(text for text in value if text)
    return matcher.in_text(value or "")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
