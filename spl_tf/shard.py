"""Cuts videos into clips and stores them as TFRecord shards.

  python -m spl_tf.shard --manifest=web.csv --label_column=query --classes=classes.txt --output_dir=D
      --clip_seconds=10 --fps=25 --short_side=256
  python -m spl_tf.shard --verify=D

The manifest is a CSV file (UTF-8, with a header; comma, semicolon or tab) or a JSONL file, one video or
image a row:

  path        the file, relative to the manifest's folder or absolute
  <label>     the class, named as in the classes file; --label_column says which column. Several
              classes are separated by | and make the data multi-label; another label in a further row
              of the video is not added, since web videos are found by several queries. Where no label is a name,
              numbers are class ids: 0 is the first class; 1 to N for N classes are refused.
  video_id    optional; otherwise made from the path. Rows with one video_id and other intervals
              are segments, each a video of its own (v7#1.5-4) and all of one upload.
  start, end  optional, seconds: clips are cut from this part of the video only
  queries     optional: all queries that found the upload, separated by |; kept in the records
  rank        optional: place among the search results; of several copies the lowest rank is kept
  address     optional: where the upload was found
  key         optional: of the upload's row in a table of metadata; kept in the records
  fps         for a path that is a folder of frames (img_00001.jpg, img_00002.jpg, ...), read as one
              video: its frames per second; --frames_fps stands in for it

In place of it may stand a list without a header, a line "path label" a video ("folder frames label"
for folders of frames), or a folder whose subfolders are named by class and hold the files; with
--frames_fps, folders of images below these are videos.

The classes file has one class a line; a class id is a position in it.

--exclude=test.csv keeps the videos of a held-out manifest out, and so does a list or folder as above.
An equal video_id, an equal address and the same file are the same video; of YouTube's addresses,
watch?v=X, youtu.be/X, shorts/X and embed/X are equal. A copy of a held-out video under any name is
found by its content, as below. Names alone are compared only for held-out files that are not there:
a path that ends in the other (v7.mp4 and any/v7.avi), or an id that is a file's name. What is
dropped so is "held out by name".

How duplicates are dropped, before anything is cut: rows with the same video_id and files of equal
content are one upload; so are near-duplicates, of which one shows three quarters of the other or
more: encoded again, rescaled, with other borders, mirrored, with a logo, faster or slower, trimmed,
with a card in front, inside a longer upload. An intact copy is kept before a damaged one, then the
best-ranked, then the first row, and it gets the queries of the others; what is inside an upload of
more than twice its length goes, whatever its rank. Of a held-out video a piece is too much; those
of less than five seconds are often not found. What counts is what changes and when, so another
moment of the same scene is no copy. Images are compared by content only. --keep_duplicates leaves a
set as it is given; held-out videos are then known by id, address, file and name.

How clips are cut: a video is divided into windows of --clip_seconds, one after the other. A rest
shorter than a window is dropped, unless the whole video is shorter than one: then it is one short
clip. --clip_seconds=0 makes one record of a whole video. --clips_per_class=Q takes Q clips of every
class, spread as evenly as possible over its videos and over each video's length, and all clips of
a class that has fewer.

How frames are taken: --fps moments a second, each with the frame the video shows then. Frames are
scaled so that their short side is --short_side, smaller ones too, and stored as JPEG. Transparent
images are laid on white.

Written into D:

  <manifest>-00003-of-00008.tfrecord  the clips; the record is described in tfrecords_spec/README.md
  dataset.json   classes, clips per class, settings, and per shard its records and fingerprint;
                 written last: it marks the folder as finished
  rejected.csv   the rows that gave no clip, each with its reason: unknown label, no such file,
                 text file, not decodable, decoder crashed, not done within --seconds_per_video, duplicate,
                 near-duplicate, ...; partner is the copy that is kept (or held out), distance how
                 far the two are apart: 0 equal, above 0.1 no near-duplicates
  notes.csv      rows that gave clips though their video is damaged (with the clips that show it),
                 shorter than its header says, changes its size, or has wrong timestamps

Times are the file's own, from where a player starts it. Interlaced video is deinterlaced, pixels
become square, transparency lies on white, colours are those of the file's matrix and range. High
dynamic range, sound with a cover, playlists and scripts are rejected by name; no other file and no
address is opened.

A killed run goes on with the same command; finished shards are not made again. Another setting or
manifest needs another folder. The shards' bytes depend on the manifest, the settings and the
versions of PyAV and OpenCV, not on --workers. To make rejected videos count after mending them, start with an
empty folder.

--task=i/n makes this process one of n, i from 1 to n, on any hosts that see D and the videos by the same
paths: each is started with the same flags, by any scheduler or by hand, at any time. They share out the
shards, do those of tasks that died, and all return when D is finished, with the same bytes as one process
(docs/cluster.md). They share out the search for copies too; then one of them makes the plan while the others
wait. A task with another manifest, other flags or another version of this package is refused by name.

--verify reads every record back: lengths, checksums, every JPEG file, labels, times, ids that
occur twice. It prints the clips per class and each fault with its shard and record; exit code 1
when there is any.
"""

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from spl_tf.folder_flags import define_file, define_files, define_folder
from spl_tf.output_folders import SHARDS, require_own_folder

FLAGS = flags.FlagValues()
define_file("manifest", "CSV or JSONL file with one video a row, or a folder of class folders.", FLAGS)
flags.DEFINE_string("label_column", "label", "Column of the manifest with the class name.", flag_values=FLAGS)
define_file("classes", "Text file with one class name a line.", FLAGS)
define_folder("output_dir", "Folder for the shards.", FLAGS)
define_files(
    "exclude",
    "Manifest (column video_id, path, address or all) whose videos must not get into the shards, repeatable.",
    FLAGS,
)
flags.DEFINE_boolean("keep_duplicates", False, "Do not look for copies of one upload by content.", flag_values=FLAGS)
flags.DEFINE_float("clip_seconds", 10.0, "Length of a clip in seconds; 0 for the whole video.", flag_values=FLAGS)
flags.DEFINE_float("fps", 25.0, "Frames per second of the clips.", flag_values=FLAGS)
flags.DEFINE_float(
    "frames_fps", None, "Frames per second of folders of frames, where a row has no fps.", flag_values=FLAGS
)
flags.DEFINE_integer("short_side", 256, "Shorter side of the stored frames in pixels.", flag_values=FLAGS)
flags.DEFINE_integer("jpeg_quality", 90, "1 to 100.", flag_values=FLAGS)
flags.DEFINE_integer(
    "clips_per_class", None, "Quota of clips of a class; without it every window becomes a clip.", flag_values=FLAGS
)
flags.DEFINE_integer(
    "num_shards", None, "Number of shard files; chosen by size (about 100 MB) when not given.", flag_values=FLAGS
)
flags.DEFINE_integer("workers", None, "Decoding processes; one per core when not given.", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Of the order of the videos and of the quota's choice.", flag_values=FLAGS)
flags.DEFINE_float("seconds_per_video", 600.0, "A video that takes longer is rejected.", flag_values=FLAGS)
command.define_task_flags(FLAGS)
define_folder("verify", "Folder of shards to check; nothing is written.", FLAGS)

_NEEDED = ("manifest", "classes", "output_dir")


def main() -> int:
    if FLAGS.verify is not None:
        others = [name for name in FLAGS if name != "verify"]
        command.require_unset(FLAGS, others, "--verify checks a folder as it is, leave them out")
        return _verify()
    absent = [f"--{name}" for name in _NEEDED if not FLAGS[name].value]
    if absent:
        raise UserError(f"{' '.join(absent)} missing: needed to make shards (--verify=D checks a folder of them)")
    require_own_folder("output_dir", FLAGS.output_dir, own=SHARDS)
    task = command.task(FLAGS)
    from spl_tf.data.building.shards import summary, write_shards
    from spl_tf.labels.classes import read_classes

    dataset = write_shards(
        FLAGS.manifest,
        FLAGS.output_dir,
        classes=read_classes(FLAGS.classes),
        label_column=FLAGS.label_column,
        clip_seconds=FLAGS.clip_seconds,
        fps=FLAGS.fps,
        frames_fps=FLAGS.frames_fps,
        short_side=FLAGS.short_side,
        jpeg_quality=FLAGS.jpeg_quality,
        clips_per_class=FLAGS.clips_per_class,
        num_shards=FLAGS.num_shards,
        exclude=FLAGS.exclude,
        keep_duplicates=FLAGS.keep_duplicates,
        workers=FLAGS.workers,
        seed=FLAGS.seed,
        seconds_per_video=FLAGS.seconds_per_video,
        task=task,
    )
    print(summary(dataset))
    return 0


def _verify() -> int:
    from spl_tf.data.verify import verify

    report = verify(FLAGS.verify)
    print(report)
    return 1 if report.faults else 0


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
