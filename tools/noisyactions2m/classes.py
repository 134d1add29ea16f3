"""Makes the classes and label lists of a set from its metadata, as the authors release theirs.

  python -m tools.noisyactions2m.classes --metadata=metadata.parquet --queries=queries.csv --output=lists

A class is a query of the kind "class"; a video has the label when it was found with the query. Classes with at most
--more_than videos are left out (paper section 3: "only consider classes with more than 10 videos").

Written into the folder --output:

  classInd.txt          "<class id> <name>", ids from 1, in the order of the query list
  trainlist.txt         "<video id> <class id|class id|...>", in the order of the metadata
  trainlist_single.txt  "<video id> <class id>": one of the video's labels, drawn at random by --seed
  classes.csv           class,videos,id of every class of the query list; without an id it is left out
  left_out.csv          video,reason of every video without a line in the lists

Videos are named by their id, as in the authors' lists; where two sites have an id in common, give --video_names=key.
"""

import os
import pathlib

import numpy as np
import tqdm
from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from tools.collect import tables
from tools.noisyactions2m import lists, query_labels, query_rows

FLAGS = flags.FlagValues()
flags.DEFINE_string("metadata", None, "The table of metadata, a Parquet file.", flag_values=FLAGS)
flags.DEFINE_string("queries", None, "The query list, a CSV file.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "Folder for the lists.", flag_values=FLAGS)
flags.DEFINE_integer("more_than", 10, "A class has more videos than this.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Of the drawn single labels.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_enum("video_names", "id", query_labels.VIDEO_NAMES, "What names a video in a list.", flag_values=FLAGS)

LEFT_OUT_COLUMNS = ("video", "reason")


def main() -> None:
    command.require_flags(FLAGS, "metadata", "queries", "output")
    names = [row.query for row in query_rows.class_rows(query_rows.read(FLAGS.queries))]
    if not names:
        raise UserError(f"{FLAGS.queries} has no query of the kind class: make it with tools.noisyactions2m.queries")
    videos = query_labels.read(FLAGS.metadata, names, FLAGS.video_names)
    print(write(pathlib.Path(FLAGS.output), names, videos, FLAGS.more_than, FLAGS.seed))


def single_labels(videos: query_labels.QueryLabels, seed: int) -> np.ndarray:
    """One label of each video that has some, every one of its labels with equal chance: int64 [those videos]."""
    counts = videos.per_video()
    filled = counts > 0
    drawn = np.random.default_rng(seed).integers(counts[filled])
    return videos.labels[videos.offsets[:-1][filled] + drawn]


def write(folder: pathlib.Path, names: list[str], videos: query_labels.QueryLabels, more_than: int, seed: int) -> str:
    """Writes the lists; returns a summary.

    Args:
      folder: made where it is missing.
      names: of the classes.
      videos: with positions in `names` as labels.
      more_than: classes with as many videos or fewer are left out.
      seed: of the drawn single labels.

    Raises:
      UserError: no class has enough videos.
    """
    sizes = videos.per_class(len(names))
    kept = sizes > more_than
    if not kept.any():
        raise UserError(
            f"none of the {len(names)} classes has more than {more_than} videos (the largest {sizes.max()}): give a "
            "smaller --more_than, or a query list and metadata that belong together"
        )
    final = videos.restricted(kept)
    ids = np.cumsum(kept)
    classes = {int(class_id): name for class_id, name, stays in zip(ids, names, kept, strict=True) if stays}
    lists.write_classes(folder / "classInd.txt", classes)
    per_video = final.per_video()[final.per_video() > 0]
    several = tqdm.tqdm(final.rows(), desc="labels", unit="video", total=len(per_video))
    lists.write_labels(
        folder / "trainlist.txt", ((video, [label + 1 for label in labels]) for video, labels in several)
    )
    drawn = zip(final.rows(), (single_labels(final, seed) + 1).tolist(), strict=True)
    lists.write_labels(folder / "trainlist_single.txt", ((video, [label]) for (video, _), label in drawn))
    table = zip(names, sizes.tolist(), np.where(kept, ids, 0).tolist(), strict=True)
    tables.write(folder / "classes.csv", ("class", "videos", "id"), ((n, size, i or None) for n, size, i in table))
    left_out = _left_out(videos, final, more_than)
    tables.write(folder / "left_out.csv", LEFT_OUT_COLUMNS, left_out)
    return "\n".join(
        [
            f"{folder}{os.sep}: {len(classes)} classes, {len(per_video)} videos, {per_video.mean():.2f} labels a video",
            f"{len(names) - len(classes)} classes with at most {more_than} videos left out: see classes.csv",
            f"{len(left_out)} videos left out: see left_out.csv",
        ]
    )


def _left_out(
    videos: query_labels.QueryLabels, final: query_labels.QueryLabels, more_than: int
) -> list[tuple[str, str]]:
    rows = [(name, "a name that is empty or has a space") for name in videos.unusable]
    before, after = videos.per_video(), final.per_video()
    for place in np.flatnonzero(after == 0).tolist():
        reason = f"only classes with at most {more_than} videos" if before[place] else "found with no class"
        rows.append((videos.videos[place].as_py(), reason))
    return rows


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
