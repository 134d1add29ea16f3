"""Runs the whole method: teacher, prediction, labels, pre-training, fine-tuning, evaluation.

  python -m spl_tf.recipe --gin_file=demo.gin --output_dir=runs/demo

demo.gin renders its own videos and takes some minutes on two cores; ucf6.gin works
on real ones. Put your own into a folder with lists, CSV or JSONL as for spl_tf.shard:

  classes.txt        the classes, one a line
  target_train.csv   columns path,label: the small clean set, which the teacher learns from and the student ends on
  web.csv            columns path,query: the web videos, of which clips are cut
  test.csv           columns path,label: what everything is tested on; kept out of the web set
  both_labels.csv    columns label,query: what carries a clean and a noisy label; only where there is such a list

Paths in them are relative to the folder. A copy of gin/ucf6.gin with another DATA, or

  python -m spl_tf.recipe --gin_file=ucf6.gin --gin_param="DATA = 'data/mine'" --output_dir=runs/mine

finds them there; video_folder.web = 'other.csv' is a list of another name, video_folder.validation = 'validation.csv'
(columns path,label) one more, for train_stage.select = 'best', and video_folder.web = None goes without a web set.
A folder with one subfolder per class can replace a list, for instance video_folder.target = 'train'.
Lists and settings are checked before the first video is cut.

Strategies, seeds and everything else are bindings:

  --gin_param="recipe.strategies = ['none', 'weak', 'spl_b']"
  --gin_param="recipe.seeds = [0, 1, 2]"
  --gin_param="pretrain/train_stage.epochs = 30"

python -m spl_tf.settings lists all of them. A binding of the command line overrides the file's; without a scope
such as pretrain/ it does so for every stage.

Strategies:

  none                                  no pre-training
  own                                   the web list's labels as they are: several a video (separated by |) with
                                        pretrain/train_stage.objective = @multi_label; of other classes than the
                                        target's with video_folder.web_classes = 'web_classes.txt'
  weak, spl_b, ...                      each strategy of spl_tf.label, whose manual explains them; one that gives a
                                        distribution needs pretrain/train_stage.objective = @soft_label,
                                        partial needs @partial_label
  cleannet_soft, ...                    weak labels cleaned: each method of spl_tf.clean

Where arms differ in more than their labels, the gin file has a table of them, recipe.arms (see its docstring in
spl_tf/experiment/recipe.py); the tables of the paper are such files, papers/spl/table1.gin and others. --arms runs some
of the rows, with the result they have in the whole table:

  python -m spl_tf.recipe --gin_file=papers/spl/table1.gin --output_dir=runs/table1 --arms=weak,spl_b

Stages that several arms need are run once; so is the teacher's training, where an arm without pre-training is
configured like it: its finetune is then a copy of the teacher. A stage is skipped when its
outputs stand and its inputs and configuration are unchanged, so a stopped run goes
on where it was, and a longer list of arms or seeds only adds runs. Where a stage's configuration or inputs changed,
an edited gin file or list of videos for instance, the recipe stops and says what did. With --replace_changed, or
"y" at a terminal, the stage's folder is set aside as FOLDER.replaced-1 and the stage done anew, and so is all that
builds on it. Nothing is deleted; a damaged file is named, with the way to mend it that loses least.

Written into --output_dir:

  videos/, shards/     rendered videos; target, web and test as TFRecord shards
  seed0/teacher/ ...   a folder per stage, see spl_tf.train, spl_tf.predict, spl_tf.label
  seed0/teacher_test/  what spl_tf.evaluate finds of the teacher
  seed0/spl_b/ ...     labels, pretrain, finetune, test of one arm
  results.csv          one row per arm and seed of this call; printed as a table at the end
  report.html          everything that was found, as one page that needs no network

tensorboard --logdir=O shows every stage and test; its tab HParams has a row for each, with test/top_1 by strategy.
"""

from absl import flags

from spl_tf import command
from spl_tf.folder_flags import define_folder
from spl_tf.output_folders import require_own_folder

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
define_folder("output_dir", "Folder of the experiment.", FLAGS)
flags.DEFINE_list("arms", [], "Arms to run, by name; all by default.", flag_values=FLAGS)
flags.DEFINE_bool(
    "replace_changed",
    False,
    "Set aside steps whose settings or inputs changed, as STEP.replaced-1, and do them anew.",
    flag_values=FLAGS,
)
flags.mark_flags_as_required(["gin_file", "output_dir"], flag_values=FLAGS)


def main() -> None:
    require_own_folder("output_dir", FLAGS.output_dir)
    command.parse_gin(FLAGS)
    from spl_tf import files
    from spl_tf.experiment.recipe import recipe
    from spl_tf.experiment.resumable import replacing_changed
    from spl_tf.report.page import write_report

    with files.locked(FLAGS.output_dir, "the experiment"), replacing_changed(FLAGS.replace_changed):
        results = recipe(FLAGS.output_dir, FLAGS.arms)
        print(f"report: {write_report(FLAGS.output_dir, results)}")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
