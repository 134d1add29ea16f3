"""Takes shards of MediaSequence records that another program wrote, such as DMVR, as they are.

  python -m spl_tf.index --records='dmvr/train_1-*' --classes=classes.txt --output_dir=D --fps=10

The files, TFRecord or TFRecord with GZIP, hold tf.train.SequenceExample records with a feature list of JPEG or PNG
frames. They are read once, completely, and stay as and where they are. D then takes the place of a folder of
spl_tf.shard in all commands: spl_tf.train (train_stage.train_shards = 'D'), predict, label, evaluate, explain, inspect,
and spl_tf.shard --verify=D. tfrecords_spec/mediasequence.md says what is read of a record.

The classes file has one class a line; a class id is a position in it. Labels go by their text where a record has one
(DMVR's generate_from_file.py numbers classes anew in every run, so that the ids of two of its sets differ), else by
their id. A clip may have several.

Frames are scaled to --short_side as they are read; without it all must have the same. --fps is what frame strides and
the frame rate of a trained network refer to, it drops no frame; without it the records must state it
(image/frame_rate). Sets for training and for testing need the same of both.

Other names of fields are gin bindings; python -m spl_tf.settings record_keys lists them:

  --gin_param="record_keys.frames = 'FORWARD/image/encoded'"
  --gin_param="record_keys.label_text = 'example/label/string'"   () to go by ids
  --gin_param="record_keys.video = 'video/filename'"              records of one video are averaged in evaluation

A clip's id is the name of its file and the number of its record from 0: train_1-00003-of-00059#12.

Written into D:

  <file>.heads   for each record of a file what a record of ours has besides frames
  dataset.json   classes, clips per class, settings, where the files are, and for each its records and fingerprint;
                 written last: it marks the folder as finished
  rejected.csv   records that are left out, with the reason: no frames, no label, frames of several sizes, ...
  notes.csv      clips that are used although something is odd: times that do not increase, a label id that is not
                 the class of its text, ...
  SHA256SUMS     checksums of these and of the shards

A killed run goes on with the same command. Files that changed, or other settings, need another folder.
"""

from absl import flags

from spl_tf import command
from spl_tf.output_folders import SHARDS, require_own_folder

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
flags.DEFINE_string("records", None, "Pattern of the files, which lie in one folder.", flag_values=FLAGS)
flags.DEFINE_string("classes", None, "Text file with one class name a line.", flag_values=FLAGS)
flags.DEFINE_string("output_dir", None, "Folder for the index.", flag_values=FLAGS)
flags.DEFINE_float("fps", None, "Frames per second, where the records do not state it.", flag_values=FLAGS)
flags.DEFINE_integer("short_side", None, "Pixels that frames are scaled to as they are read.", flag_values=FLAGS)
flags.DEFINE_boolean("keep_unlabelled", False, "Use records without a label too.", flag_values=FLAGS)
flags.DEFINE_integer(
    "workers", None, "Reading processes; one per core when not given.", lower_bound=1, flag_values=FLAGS
)
flags.mark_flags_as_required(["records", "classes", "output_dir"], flag_values=FLAGS)


def main() -> None:
    require_own_folder("output_dir", FLAGS.output_dir, own=SHARDS)
    command.parse_gin(FLAGS)
    from spl_tf.data.indexing.index_shards import index_shards, summary
    from spl_tf.data.indexing.keys import record_keys
    from spl_tf.labels.classes import read_classes

    dataset = index_shards(
        FLAGS.records,
        FLAGS.output_dir,
        classes=read_classes(FLAGS.classes),
        keys=record_keys(),
        fps=FLAGS.fps,
        short_side=FLAGS.short_side,
        keep_unlabelled=FLAGS.keep_unlabelled,
        workers=FLAGS.workers,
    )
    print(summary(dataset))


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
