"""Counts a set as the paper does: Table 2 with its definitions, and figures 1, 2 and 4.

  python -m tools.noisyactions2m.statistics --metadata=metadata.parquet --output=statistics
  python -m tools.noisyactions2m.statistics --metadata=metadata.parquet --output=statistics \\
      --classes=classInd.txt --labels=trainlist.txt --entities=scores

Labels are those of --labels, else the concepts of the metadata. --entities is a file of scores (entity_counts.py),
which tools.noisyactions2m.entities makes with a classifier of the user's; without one the row and the figure of
entities stay empty.

Written into the folder --output:

  statistics.md, statistics.csv   Table 2. An average is over the videos that have the field; beside it the same sum
                                  over all videos. What no video has is empty. The page also has the figures and, as
                                  tables, what they show: classes by videos, videos by labels, entities, countries
  videos_per_class.csv            class,videos, most first
  labels_per_video.csv            labels,videos
  labels_and_videos.png           both, counts on a logarithmic scale (figure 1)
  entities.csv, entities.png      entity,videos,share of the scored videos (figure 2)
  countries.csv, countries.png    code,country,videos, most first; the coordinates on a map (figure 4)
  not_counted.csv                 video,reason of everything a count had to leave out

A figure without anything to show is not drawn, and one that an earlier run left is removed.
"""

import collections
import os
import pathlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import tqdm
from absl import flags
from matplotlib.figure import Figure

from spl_tf import command, files, text_tables
from spl_tf.errors import UserError
from spl_tf.labels.figures import save_figure
from tools.collect import tables
from tools.noisyactions2m import countries, entity_counts, figures, lists, statistics_page, table, table2, totals
from tools.noisyactions2m.video_names import VideoNames

FLAGS = flags.FlagValues()
flags.DEFINE_string("metadata", None, "The table of metadata, a Parquet file.", flag_values=FLAGS)
flags.DEFINE_string("classes", None, "The class list of --labels.", flag_values=FLAGS)
flags.DEFINE_string("labels", None, "Label list to count in place of the concepts.", flag_values=FLAGS)
flags.DEFINE_string("entities", None, "Scores of entities: CSV, Parquet or a folder.", flag_values=FLAGS)
flags.DEFINE_float(
    "threshold", 0.5, "The score that gives a video an entity.", lower_bound=0, upper_bound=1, flag_values=FLAGS
)
flags.DEFINE_string("output", None, "Folder for tables and figures.", flag_values=FLAGS)


def main() -> None:
    command.require_flags(FLAGS, "metadata", "output")
    if bool(FLAGS.classes) != bool(FLAGS.labels):
        raise UserError("--classes and --labels go together: give both or none")
    counted = totals.Totals()
    for batch in tqdm.tqdm(table.read_rows(FLAGS.metadata, totals.COLUMNS), desc="counting", unit="batch"):
        counted.add(batch)
    names = VideoNames(FLAGS.metadata)
    if FLAGS.labels:
        count_lists(counted, names, FLAGS.classes, FLAGS.labels)
    entities = entity_counts.count(FLAGS.entities, names, FLAGS.threshold) if FLAGS.entities else None
    print(write(pathlib.Path(FLAGS.output), counted, entities))


def count_lists(counted: totals.Totals, names: VideoNames, classes_path: files.Path, path: files.Path) -> None:
    """Puts the labels of a list in the place of the concepts, and names what the two do not share."""
    report: list[lists.Fault] = []
    classes = lists.read_classes(classes_path, report)
    rows = lists.read_labels(path, classes, report)
    found = names.find(pa.array([video for video, _ in rows], pa.string()))
    labels = np.zeros(len(names), np.int64)
    per_class: collections.Counter[str] = collections.Counter(dict.fromkeys(classes.values(), 0))
    for row, (_, listed) in zip(found.tolist(), rows, strict=True):
        if row >= 0:
            labels[row] = len(listed)
            per_class.update(classes[label] for label in listed)
    counted.labels_per_video = collections.Counter(labels.tolist())
    counted.videos_per_class = per_class
    counted.not_counted += [(fault.detail, f"{fault.file} line {fault.line}: {fault.kind}") for fault in report]
    absent = (video for row, (video, _) in zip(found, rows, strict=True) if row < 0)
    counted.not_counted += [(video, "listed, but not in the metadata") for video in absent]


def write(folder: pathlib.Path, counted: totals.Totals, entities: entity_counts.EntityCounts | None) -> str:
    """Writes tables and figures; returns a summary."""
    rows = table2.rows(counted, entities)
    tables.write(folder / "statistics.csv", table2.COLUMNS, [row.cells() for row in rows])
    by_size = _most_first(counted.videos_per_class)
    tables.write(folder / "videos_per_class.csv", ("class", "videos"), by_size)
    tables.write(folder / "labels_per_video.csv", ("labels", "videos"), sorted(counted.labels_per_video.items()))
    scored = int(entities.scored.sum()) if entities else 0
    per_entity = entities.per_entity if entities else {}
    shares = [(name, videos, f"{videos / scored:.4f}") for name, videos in per_entity.items()]
    tables.write(folder / "entities.csv", ("entity", "videos", "share"), shares)
    names = countries.country_names()
    found = [(code, names[code], videos) for code, videos in _most_first(counted.per_country)]
    tables.write(folder / "countries.csv", ("code", "country", "videos"), found)
    places = np.concatenate([np.zeros((2, 0)), *counted.places], axis=1)
    sizes = [size for _, size in by_size]
    drawn: dict[str, Figure | None] = {
        "labels_and_videos.png": figures.labels_and_videos_figure(sizes, counted.labels_per_video)
        if counted.labels().videos
        else None,
        "entities.png": figures.entities_figure(per_entity, scored) if per_entity else None,
        "countries.png": figures.map_figure(places, countries.land(figures.MAP_STEP)) if places.size else None,
    }
    for name, figure in drawn.items():
        _draw(folder / name, figure)
    there = [name for name, figure in drawn.items() if figure is not None]
    page = statistics_page.page(rows, counted.videos, by_size, counted.labels_per_video, shares, found, there)
    files.write_text(folder / "statistics.md", page)
    left_out = counted.not_counted + (entities.not_counted if entities else [])
    tables.write(folder / "not_counted.csv", ("video", "reason"), left_out)
    listed = text_tables.counted(reason.rpartition(": ")[2] for _, reason in left_out) or "nothing"
    return f"{folder}{os.sep}statistics.md: {counted.videos} videos\nnot counted: {listed}: see not_counted.csv"


def _most_first(counts: "collections.Counter[str]") -> Sequence[tuple[str, int]]:
    """By falling count, of equals by name."""
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _draw(path: pathlib.Path, figure: Figure | None) -> None:
    if figure is None:
        path.unlink(missing_ok=True)
    else:
        save_figure(figure, path)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
