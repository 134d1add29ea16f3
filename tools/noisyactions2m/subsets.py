"""Subsets with the most metadata: the paper's 25K and 100K (section 4).

  python -m tools.noisyactions2m.subsets --metadata=metadata.parquet --output=subsets
  python -m tools.noisyactions2m.subsets --metadata=metadata.parquet --output=subsets --sizes=25000 \\
      --classes=classInd.txt --labels=trainlist.txt --labels=trainlist_single.txt

The rule: of the videos that have all --fields, those with the most words; of equals the one whose key comes first.
Words are what spaces separate in title, description, tags, comments, sentences and concepts. Each subset is the
beginning of the next larger one. With --fill the videos that lack a field follow, those with the most words first.

The fields of the paper are tags, comments, title, description, dates (uploaded, taken), geolocation (coordinates),
source (addresses), duration, sentences and concepts. Sentences are left out of --fields by default: 0.05 million videos
have some, fewer than 100K.

Written into the folder --output:

  fields.csv          field,videos,lacking,lacking_alone: how many have it, lack it, lack nothing else of --fields
  subset_25000.csv    rank,video,words, one file for each of --sizes
  <list>_25000.txt    each of --labels with the videos of the subset alone, in the order of the list
  findings.csv        file,line,kind,detail of what was mended or left out while the lists were read
"""

import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tqdm
from absl import flags

from spl_tf import command, files
from spl_tf.errors import UserError
from tools.collect import tables
from tools.noisyactions2m import lists, table
from tools.noisyactions2m.video_names import VideoNames

_TEXTS = ("title", "description", "tags", "comments", "sentences", "concepts")
# A field of the paper -> columns of the table, all of which it needs.
FIELDS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in _TEXTS},
    "uploaded": ("uploaded",),
    "taken": ("taken",),
    "coordinates": ("latitude", "longitude"),
    "addresses": ("addresses",),
    "duration": ("duration",),
}
_COLUMNS = tuple(dict.fromkeys(column for columns in FIELDS.values() for column in columns))

FLAGS = flags.FlagValues()
flags.DEFINE_string("metadata", None, "The table of metadata, a Parquet file.", flag_values=FLAGS)
flags.DEFINE_list("sizes", ["25000", "100000"], "Videos of each subset.", flag_values=FLAGS)
flags.DEFINE_list(
    "fields", [name for name in FIELDS if name != "sentences"], "What a video must have.", flag_values=FLAGS
)
flags.DEFINE_bool("fill", False, "Whether videos that lack a field follow.", flag_values=FLAGS)
flags.DEFINE_string("classes", None, "The class list of --labels.", flag_values=FLAGS)
flags.DEFINE_multi_string("labels", [], "Label list to cut to the subsets, repeatable.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "Folder for the subsets.", flag_values=FLAGS)


def main() -> None:
    command.require_flags(FLAGS, "metadata", "sizes", "fields", "output")
    if not all(size.strip().isdecimal() and int(size) for size in FLAGS.sizes):
        raise UserError(f"--sizes={','.join(FLAGS.sizes)} are not whole numbers above 0: give e.g. 25000,100000")
    if unknown := [name for name in FLAGS.fields if name not in FIELDS]:
        raise UserError(f"--fields: {unknown[0]!r} is none of {', '.join(FIELDS)}")
    if bool(FLAGS.classes) != bool(FLAGS.labels):
        raise UserError("--classes and --labels go together: give both or none")
    if len({pathlib.Path(path).name for path in FLAGS.labels}) < len(FLAGS.labels):
        raise UserError("two of --labels have one name and would be written over each other: rename one")
    sizes = sorted({int(size) for size in FLAGS.sizes})
    names = VideoNames(FLAGS.metadata)
    words, lacking = measure(FLAGS.metadata, FLAGS.fields)
    order = ranking(words, np.any(lacking, axis=1), FLAGS.fill)
    folder = pathlib.Path(FLAGS.output)
    text = write(folder, names, words, order, sizes)
    text += write_fields(folder / "fields.csv", FLAGS.fields, lacking)
    if FLAGS.labels:
        text += cut_lists(folder, names, order, sizes, FLAGS.classes, FLAGS.labels)
    print("\n".join(text))


def measure(metadata: files.Path, fields: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Words of each video, and which of the fields it lacks: int64 [V], bool [V, fields].

    Raises:
      UserError: the table cannot be read.
    """
    words, lacking = [np.zeros(0, np.int64)], [np.zeros((0, len(fields)), bool)]
    for batch in tqdm.tqdm(table.read_rows(metadata, _COLUMNS), desc="words", unit="batch"):
        counts = {name: _words(batch[name]) for name in _TEXTS}
        absent = [np.any([_absent(batch[c], counts.get(c)) for c in FIELDS[name]], axis=0) for name in fields]
        words.append(np.sum(list(counts.values()), axis=0))
        lacking.append(np.stack(absent, axis=1))
    return np.concatenate(words), np.concatenate(lacking)


def ranking(words: np.ndarray, incomplete: np.ndarray, fill: bool) -> np.ndarray:
    """Rows of the table, the best first; the table is sorted by key, so that of equals the first key comes first.

    Args:
      words: int64 [V].
      incomplete: bool [V], whether a video lacks a field.
      fill: whether those follow, or are left out.
    """
    order = np.lexsort((-words, incomplete))  # Stable.
    return order if fill else order[: len(order) - int(incomplete.sum())]


def write(
    folder: pathlib.Path, names: VideoNames, words: np.ndarray, order: np.ndarray, sizes: Sequence[int]
) -> list[str]:
    """Writes the subsets; returns a line of the summary for each."""
    text = []
    for size in sizes:
        chosen = order[:size]
        keys = names.keys.take(pa.array(chosen)).to_pylist()
        rows = zip(range(1, len(chosen) + 1), keys, words[chosen].tolist(), strict=True)
        tables.write(folder / f"subset_{size}.csv", ("rank", "video", "words"), rows)
        line = f"{folder}{os.sep}subset_{size}.csv: {len(chosen)} videos"
        if len(chosen):
            line += f" of at least {words[chosen[-1]]} words"
        if len(chosen) < size:
            line += f", {size - len(chosen)} too few: no other has what --fields asks for, see fields.csv and --fill"
        text.append(line)
    return text


def write_fields(path: pathlib.Path, fields: Sequence[str], lacking: np.ndarray) -> list[str]:
    """Writes how many videos lack which field; returns a line of the summary."""
    number = lacking.sum(axis=1)
    rows = []
    for place, name in enumerate(fields):
        absent = lacking[:, place]
        rows.append((name, int((~absent).sum()), int(absent.sum()), int((absent & (number == 1)).sum())))
    tables.write(path, ("field", "videos", "lacking", "lacking_alone"), rows)
    worst = max(rows, key=lambda row: row[2])
    return [
        f"{len(lacking)} videos, {int((number == 0).sum())} have every field; {worst[0]} is lacking most often "
        f"({worst[2]}): see {path.name}"
    ]


def cut_lists(
    folder: pathlib.Path,
    names: VideoNames,
    order: np.ndarray,
    sizes: Sequence[int],
    classes_path: str,
    paths: Sequence[str],
) -> list[str]:
    """Writes each list with the videos of each subset alone; returns lines of the summary."""
    report: list[lists.Fault] = []
    classes = lists.read_classes(classes_path, report)
    place = np.full(len(names) + 1, len(names), np.int64)  # The last is for a name of no video.
    place[order] = np.arange(len(order))
    text = []
    for path in paths:
        rows = lists.read_labels(path, classes, report)
        found = names.find(pa.array([video for video, _ in rows], pa.string()))
        report += _absent_videos(path, rows, found)
        for size in sizes:
            kept = [row for row, rank in zip(rows, place[found].tolist(), strict=True) if rank < min(size, len(order))]
            output = folder / f"{pathlib.Path(path).stem}_{size}.txt"
            lists.write_labels(output, kept)
            text.append(f"{output}: {len(kept)} of {len(rows)} videos")
    lists.write_report(folder / "findings.csv", report)
    return [*text, lists.summary(report, "findings.csv")]


def _absent_videos(path: str, rows: Sequence[tuple[str, Sequence[int]]], found: np.ndarray) -> Iterator[lists.Fault]:
    for (video, _), row in zip(rows, found.tolist(), strict=True):
        if row < 0:
            yield lists.Fault(path, 0, "video not in the metadata", video)


def _words(column: pa.Array) -> np.ndarray:
    """Words of each row of a column of texts or of lists of texts: int64 [rows]."""
    if not pa.types.is_list(column.type):
        return _words_of_texts(column)
    counts = _words_of_texts(pc.list_flatten(column))
    rows = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
    return np.bincount(rows, weights=counts, minlength=len(column)).astype(np.int64)


def _words_of_texts(texts: pa.Array) -> np.ndarray:
    counts = pc.count_substring_regex(texts, r"[^\s\pZ]+")
    return pc.fill_null(counts, 0).to_numpy(zero_copy_only=False).astype(np.int64)


def _absent(column: pa.Array, words: np.ndarray | None) -> np.ndarray:
    """Whether each row has nothing: no word in a text, no member of a list, no number or NaN: bool [rows]."""
    if words is not None:
        return words == 0
    if pa.types.is_list(column.type):
        return pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False) == 0
    return pc.is_null(column, nan_is_null=True).to_numpy(zero_copy_only=False)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
