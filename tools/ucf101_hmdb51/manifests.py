"""Makes the manifests of an official split of UCF101 or HMDB51.

  python -m tools.ucf101_hmdb51.manifests --dataset=ucf101 --videos=UCF-101 --splits=ucfTrainTestlist
      --split=1 --output_dir=ucf101_split1
  python -m tools.ucf101_hmdb51.manifests --dataset=hmdb51 --videos=hmdb51
      --splits=testTrainMulti_7030_splits --split=1 --output_dir=hmdb51_split1

--videos is the folder of the unpacked videos, in class folders or all in one, --splits that of the
official lists. Written into the output folder:

  classes.txt          101 or 51 classes: UCF101's in the order of classInd.txt, HMDB51's sorted
  train.csv, test.csv  video_id,path,label in the order of the lists; path is relative to the folder;
                       video_id is the file's name without suffix, for HMDB51 after its class and /
  missing.csv          list,file_name,label,reason,near: the videos of the lists that are not there or cannot be
                       listed, and a file of a near name

A file with another suffix, in another case or with its name in another encoding is the video; a name
that is not UTF-8 cannot be listed. Missing videos do not stop the run; they are counted. Lists that are
longer or shorter than the published ones are named, too. No video is opened.
"""

import os
import pathlib

from absl import flags

from spl_tf import command, files
from spl_tf.data.lists.csv_tables import text
from spl_tf.errors import UserError
from tools.collect import tables
from tools.ucf101_hmdb51 import hmdb51, ucf101

FLAGS = flags.FlagValues()
flags.DEFINE_enum("dataset", None, ["ucf101", "hmdb51"], "ucf101 or hmdb51.", flag_values=FLAGS)
flags.DEFINE_string("videos", None, "Folder with the videos.", flag_values=FLAGS)
flags.DEFINE_string("splits", None, "Folder with the official lists.", flag_values=FLAGS)
flags.DEFINE_integer("split", 1, "1, 2 or 3.", lower_bound=1, upper_bound=3, flag_values=FLAGS)
flags.DEFINE_string("output_dir", None, "Folder for the manifests.", flag_values=FLAGS)

COLUMNS = ("video_id", "path", "label")
MISSING_COLUMNS = ("list", "file_name", "label", "reason", "near")

# (training, test) of splits 1, 2, 3.
SIZES = {
    "ucf101": ((9537, 3783), (9586, 3734), (9624, 3696)),
    "hmdb51": ((3570, 1530), (3570, 1530), (3570, 1530)),
}


def main() -> None:
    command.require_flags(FLAGS, "dataset", "videos", "splits", "output_dir")
    for name in ("videos", "splits"):
        if not os.path.isdir(FLAGS[name].value):
            raise UserError(f"{FLAGS[name].value} is no folder: check --{name}")
    print(make(FLAGS.dataset, FLAGS.videos, FLAGS.splits, FLAGS.split, FLAGS.output_dir))


def make(
    dataset: str,
    videos: str | os.PathLike,
    splits: str | os.PathLike,
    number: int,
    output_dir: str | os.PathLike,
) -> str:
    """Writes the manifests of a split; returns a summary.

    Args:
      dataset: "ucf101" or "hmdb51".
      videos: folder of the videos.
      splits: folder of the official lists.
      number: of the split, 1 to 3.
      output_dir: created when missing.

    Raises:
      UserError: a list is missing or damaged, the folder has no videos at all, or a path is not UTF-8.
    """
    reader = {"ucf101": ucf101, "hmdb51": hmdb51}[dataset]
    classes, split = reader.read_classes(splits), reader.read_split(splits, number)
    if not (split.train and split.test):
        raise UserError(f"a list of split {number} in {splits} is empty: unpack the lists again")
    # Without links on the way, `..` in a relative path leads where it says.
    found = reader.find_videos(os.path.realpath(videos))
    output_dir = pathlib.Path(output_dir)
    folder = os.path.realpath(output_dir)
    missing, summary, spelled = [], [], 0
    num_train, num_test = SIZES[dataset][number - 1]
    for name, listed, published in (("train", split.train, num_train), ("test", split.test, num_test)):
        lines = []
        for video in listed:
            path = reader.path_of(video, found)
            if path is None or path.name != text(path.name):
                reason = "not there" if path is None else "file name is not UTF-8 (rename it)"
                near = text(reader.near_name(video, found) if path is None else path.name)
                missing.append((name, text(video.file_name), video.class_name, reason, near))
                continue
            relative = os.path.relpath(path, folder)
            if relative != text(relative):  # No manifest can hold it.
                raise UserError(f"{text(relative)} is in a folder whose name is not UTF-8: rename the folder")
            lines.append((video.video_id, relative, video.class_name))
            spelled += path.name != video.file_name
        tables.write(output_dir / f"{name}.csv", COLUMNS, lines)
        summary.append(f"{output_dir / name}.csv: {len(lines):,} of {len(listed):,} videos, {len(classes)} classes")
        if len(listed) != published:
            summary.append(f"the {name} list of split {number} has {len(listed):,} videos, published are {published:,}")
    if spelled:
        summary.append(f"{spelled:,} videos have another suffix or spelling than in the lists")
    tables.write(output_dir / "missing.csv", MISSING_COLUMNS, missing)
    files.write_lines(output_dir / "classes.txt", classes)
    if missing:
        near = sum(bool(row[-1]) for row in missing)
        hint = f", {near:,} with a file of a near name" if near else ""
        summary.append(
            f"{len(missing):,} videos are not there or cannot be listed{hint}: see {output_dir / 'missing.csv'}"
        )
    return "\n".join(summary)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
