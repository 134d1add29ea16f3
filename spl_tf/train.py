"""Trains one stage: the teacher, the student's pre-training or its fine-tuning; or a start for them, without labels.

  python -m spl_tf.train --gin_file=ucf6.gin --stage=teacher --model_dir=M \\
      --gin_param="train_stage.train_shards = 'shards/target'"

A gin file configures a whole experiment. --stage enters the scope of one stage: a
binding "pretrain/train_stage.epochs = 30" holds for --stage=pretrain alone, one
without a scope for the stages that have none of their own. What the command line says
wins: --gin_param="train_stage.epochs = 1" holds for every stage, also where the file
has teacher/train_stage.epochs; a line tells what it replaces. Among several
--gin_param one with a scope holds for its stage, and of two for the same the later.
python -m spl_tf.settings lists all of them. Data and weights are bindings too:

  train_stage.train_shards       folder of shards to train on; for ucf6.gin cut with --short_side=72
  train_stage.labels_dir         label side-cars of spl_tf.label, for pre-training
  train_stage.validation_shards  evaluated now and then, for select = 'best'
  train_stage.init_weights       backbone.weights.h5 of an earlier stage

Pre-training on SPL-B labels, then fine-tuning:

  python -m spl_tf.train --gin_file=ucf6.gin --stage=pretrain --model_dir=P \\
      --gin_param="train_stage.train_shards = 'shards/web'" \\
      --gin_param="train_stage.labels_dir = 'labels/spl_b'"
  python -m spl_tf.train --gin_file=ucf6.gin --stage=finetune --model_dir=F \\
      --gin_param="train_stage.train_shards = 'shards/target'" \\
      --gin_param="train_stage.init_weights = 'P/backbone.weights.h5'"

Without labels, by @pcl or @cvrl, for train_stage.init_weights of any other stage:

  python -m spl_tf.train --gin_file=ucf6.gin --stage=selfsup --model_dir=S \\
      --gin_param="train_stage.train_shards = 'shards/web'" \\
      --gin_param="train_stage.objective = @pcl" --gin_param="train_stage.epochs = 6"

Stopped at any moment, the same command goes on and ends with the same weights.
SIGTERM and Ctrl-C save first and exit with 143 and 130; a second Ctrl-C stops at once.
A folder of another run is refused.

On several hosts, the same command on each, which TF_CONFIG or SLURM's variables name:
docs/hosts.md says what they need and say. When one is lost the others exit with 75,
and the same command on all of them goes on.

train_stage.stop_after_evaluations = 3 ends training when three evaluations in a row on
train_stage.validation_shards brought no new best.

TensorBoard shows a few clips as the network saw them after the first step and every epoch; in more than ten
epochs, every second one, or third, and so on. A point of train/ is the mean over the steps since the point before,
at most train_stage.steps_per_loop; "train" in metrics.json is over the last epoch, "train_steps" says which steps.

--profile_steps=10:20 records ten steps for TensorBoard's profiler (pip install tensorboard-plugin-profile).

Written into M:

  checkpoints/, logs/                   for resuming; for tensorboard --logdir=M
  model.keras, folded.keras             the network; its faster form for inference
  backbone.weights.h5                   what a later stage starts from
  model.json, metrics.json              classes and input; how the training went
  operative_config.gin                  what was really used
  SHA256SUMS, finished.json             checksums, for sha256sum -c; the steps and measures, written last
"""

import contextlib
import os
import sys

from absl import flags

from spl_tf import __version__, command, files
from spl_tf.errors import UserError
from spl_tf.folder_flags import define_folder
from spl_tf.hardware.cluster import cluster_of_process
from spl_tf.hardware.hosts import Hosts
from spl_tf.output_folders import NETWORK, require_own_folder
from spl_tf.quiet_start import without_errors
from spl_tf.remote import addresses

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
command.define_stage_flag(FLAGS)
define_folder("model_dir", "Folder of the stage.", FLAGS)
flags.DEFINE_string("profile_steps", None, "Steps to profile, FIRST:LAST.", flag_values=FLAGS)
flags.DEFINE_float(
    "wait_for_hosts", 300.0, "Seconds to wait for the other hosts of TF_CONFIG or SLURM.", 0.0, flag_values=FLAGS
)
flags.mark_flags_as_required(["gin_file", "model_dir"], flag_values=FLAGS)


def main() -> None:
    cluster = cluster_of_process()
    if cluster is not None:
        without_errors()  # TensorFlow's, of connections: when a host ends, one line says so.
    with Hosts(cluster, FLAGS.wait_for_hosts, command.explain) as hosts:
        _train(hosts)


def _train(hosts: Hosts) -> None:
    if hosts.count > 1 and (address := addresses.address_of(FLAGS.model_dir)):
        raise UserError(f"--model_dir={address}: several hosts need a folder that all of them see")
    require_own_folder("model_dir", FLAGS.model_dir, own=NETWORK)
    command.parse_gin(FLAGS)
    import gin

    from spl_tf.training.stage import train_stage

    options = {"profile_steps": _steps(FLAGS.profile_steps)} if FLAGS.profile_steps is not None else {}
    hosts.require_same(_facts() if hosts.count > 1 else {})
    with contextlib.ExitStack() as held, gin.config_scope(FLAGS.stage):
        if hosts.is_first:
            held.enter_context(files.locked(FLAGS.model_dir, "the model"))
        hosts.require_shared(FLAGS.model_dir)
        metrics = train_stage(FLAGS.stage or "train", FLAGS.model_dir, hosts=hosts, **options)
    print(f"{FLAGS.model_dir}: finished after {metrics['steps']:,} steps")


def _facts() -> dict[str, str]:
    """What must be the same on all hosts, beside configuration and data, by its name for messages."""
    import keras
    import tensorflow as tf

    modules = {f"--gin_import={name}": files.sha256(str(sys.modules[name].__file__)) for name in FLAGS.gin_import}
    return {
        "the version of spl_tf": __version__,
        "the version of TensorFlow": tf.__version__,
        "the version of Keras": keras.__version__,
        "the version of Python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "the number of GPUs": str(len(tf.config.list_physical_devices("GPU"))),
        "--stage": str(FLAGS.stage),
        "--model_dir": os.path.abspath(FLAGS.model_dir),
        **modules,
    }


def _steps(text: str) -> tuple[int, ...]:
    """The numbers of "10:20".

    Raises:
      UserError: these are no two numbers.
    """
    first, _, last = text.partition(":")
    if not (first.isdecimal() and last.isdecimal()):
        raise UserError(f"--profile_steps={text}: give the first and the last step, e.g. 10:20")
    return int(first), int(last)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
