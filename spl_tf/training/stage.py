"""One stage of training, from shards to a finished model folder: without labels, teacher, pre-training, fine-tuning."""

import contextlib
import math
import pathlib
from collections.abc import Callable, Sequence

import gin
import keras
import tensorflow as tf

from spl_tf import files
from spl_tf.data.input.looping import tell_of_looping
from spl_tf.data.input.reading import readable
from spl_tf.data.input.targets import join_targets
from spl_tf.hardware.distribution import device_strategy
from spl_tf.hardware.hosts import ALONE, Hosts
from spl_tf.inference.trained_model import ClipInput
from spl_tf.labels.targets import NONE
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.losses.data_parameters import DataParameters
from spl_tf.metrics.evaluation import Evaluation
from spl_tf.models.cost import gflops_per_clip, num_parameters
from spl_tf.models.resnet3d import resnet3d
from spl_tf.models.transfer import load_backbone_weights
from spl_tf.ranges import Positive
from spl_tf.training.batches import batches_from, tell_of_looped_clips
from spl_tf.training.board import Board, steps_shown
from spl_tf.training.checkpoints import Checkpoints
from spl_tf.training.hooks import Hook
from spl_tf.training.identity import claim_folder, hyper_parameters, open_inputs, run_identity
from spl_tf.training.loop import LoopPlan, run_loop
from spl_tf.training.objectives.objective import Objective, make_objective
from spl_tf.training.objectives.single_label import single_label
from spl_tf.training.options import require_fitting_objective, require_options
from spl_tf.training.outcome import Metrics, Selection, finished_metrics, write_outcome
from spl_tf.training.precise_bn import estimate_statistics
from spl_tf.training.precision_of_run import policy_of_run
from spl_tf.training.profiling import Profile, tell_if_none_left
from spl_tf.training.progress import ProgressLine
from spl_tf.training.schedules import schedule_of, warmup_cosine
from spl_tf.training.state import averaged_weights, create_state
from spl_tf.training.step import make_train_steps
from spl_tf.training.validation import score_videos


@gin.configurable(denylist=["stage", "hosts"])
def train_stage(
    stage: str,
    model_dir: files.Path,
    *,
    hosts: Hosts = ALONE,
    train_shards: files.Path = gin.REQUIRED,
    labels_dir: files.Path | None = None,
    validation_shards: files.Path | None = None,
    init_weights: files.Path | None = None,
    allow_unmatched: bool = False,
    freeze_backbone: bool = False,
    epochs: float = gin.REQUIRED,
    batch_size: int = gin.REQUIRED,
    num_frames: int = 16,
    frame_stride: int = 4,
    crop_size: int = 224,
    backbone: Callable[..., keras.Model] = resnet3d,
    objective: Callable[..., Objective] = single_label,
    loss: Callable[..., tf.Tensor] | None = None,
    data_parameters: Callable[[int, int], DataParameters] | None = None,
    optimizer: Callable[..., keras.optimizers.Optimizer] = keras.optimizers.SGD,
    learning_rate: Callable[[int, float], keras.optimizers.schedules.LearningRateSchedule] | Positive = warmup_cosine,
    accumulation: int = 1,
    clip_norm: float | None = None,
    average_decay: float | None = None,
    precision: str = "auto",
    deterministic: bool = True,
    seed: int = 0,
    select: str = "last",
    stop_after_evaluations: int | None = None,
    evaluate_epochs: float = 10,
    evaluation_views: int = 1,
    precise_bn_batches: int = 0,
    steps_per_loop: int = 20,
    checkpoint_seconds: float = 300.0,
    profile_steps: Sequence[int] | None = None,
) -> Metrics:
    """Trains a stage to its end, from where an earlier call was stopped; returns `metrics.json`.

    Args:
      stage: "selfsup", "teacher", "pretrain" or "finetune"; its gin scope is entered by the caller.
      model_dir: checkpoints, logs and, at the end, the network; one that all hosts share, and the first one writes to.
      hosts: that train together, each calling this function.
      train_shards: folder of shards.
      labels_dir: label side-cars that replace the shards' own labels.
      validation_shards: evaluated every `evaluate_epochs`; never the test set.
      init_weights: `backbone.weights.h5` of an earlier stage; its head is not taken over.
      allow_unmatched: take over what fits of `init_weights` and report the rest.
      freeze_backbone: train the head alone, for linear evaluation of `init_weights`: the backbone keeps every weight to
        the bit, and normalizes with its stored statistics, as at inference.
      epochs: passes over the kept clips.
      batch_size: clips a step, over all replicas and micro-batches.
      num_frames: T, frames of a clip that the network sees; the paper's 16 (section 4.2).
      frame_stride: distance of these frames, in stored frames; the paper's 4.
      crop_size: S, side of the square window in pixels, at most the short side of the shards; the paper's 224.
      backbone: builder, called with `folded`.
      objective: what the network learns: `single_label`, `soft_label` for distributions over classes,
        `partial_label` for candidates of which one is right, `multi_label` for clips of any number of classes,
        `one_of_several` for one of them at a time, or, from clips without labels, `pcl` or `cvrl`.
      loss: of the objective, as its own option of this name; None leaves it to the objective.
      data_parameters: likewise, temperatures per class and clip, for objectives that have them.
      optimizer: called with `learning_rate`.
      learning_rate: (total steps, steps per epoch) -> schedule; or a number, the same rate throughout.
      accumulation: micro-batches a step, to fit a large batch into memory.
      clip_norm: largest global gradient norm.
      average_decay: decay of the weights' moving average, which is then evaluated
        and saved; None for none.
      precision: "auto", "float32" or "bfloat16"; a resumed run keeps its own.
      deterministic: TensorFlow's deterministic kernels; off is faster on some GPUs.
      seed: of initial weights, order, augmentation and dropout.
      select: "last" (the paper) or "best" on the validation shards.
      stop_after_evaluations: end training when so many evaluations in a row brought no new best on the validation
        shards, by the measure that `select` goes by; None trains all epochs. The learning rate stays planned for all.
      evaluate_epochs: epochs between evaluations.
      evaluation_views: temporal views of a validation clip.
      precise_bn_batches: training batches on which the statistics of normalization
        are estimated anew at the end, 200 in Wang et al. 2018; 0 keeps the moving averages.
      steps_per_loop: most steps between two looks at the clock and at SIGTERM or Ctrl-C.
      checkpoint_seconds: time between checkpoints.
      profile_steps: two numbers of steps, between which a profile for TensorBoard is taken.

    Raises:
      UserError: inputs that don't fit together, a folder of another run, a loss that
        is not finite; hosts that differ.
      HostEndedError: another host ended.
      Terminated, KeyboardInterrupt: after SIGTERM or Ctrl-C, with the state saved.
    """
    model_dir = pathlib.Path(model_dir)
    strategy = device_strategy(cluster=hosts.cluster)
    require_options(
        strategy,
        batch_size=batch_size,
        accumulation=accumulation,
        select=select,
        stop_after_evaluations=stop_after_evaluations,
        is_validated=validation_shards is not None,
        profile_steps=profile_steps,
        freeze_backbone=freeze_backbone,
        precise_bn_batches=precise_bn_batches,
        epochs=epochs,
        num_frames=num_frames,
        frame_stride=frame_stride,
        crop_size=crop_size,
        evaluate_epochs=evaluate_epochs,
        evaluation_views=evaluation_views,
        steps_per_loop=steps_per_loop,
    )
    inputs = open_inputs(train_shards, labels_dir, validation_shards, init_weights)
    learned = make_objective(objective, loss=loss, data_parameters=data_parameters)
    given = {"labels_dir": labels_dir, "validation_shards": validation_shards}
    require_fitting_objective(learned, accumulation=accumulation, num_frames=num_frames, given=given)
    identity = run_identity(stage, seed, inputs, hosts.count)
    hosts.require_same(identity | {"classes": ", ".join(inputs.classes)})
    hosts.first_says(lambda: claim_folder(model_dir, identity))
    if (finished := hosts.first_says(lambda: finished_metrics(model_dir))) is not None:
        tell_if_none_left(profile_steps, finished["steps"], finished["steps"])
        return finished

    targets = learned.targets(join_targets(inputs.train, inputs.labels, learned.target), inputs.train, seed)
    policy = hosts.first_says(lambda: policy_of_run(model_dir, precision))
    keras.mixed_precision.set_dtype_policy(policy)
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    clip_input = ClipInput(num_frames, frame_stride, crop_size, inputs.train.short_side, inputs.train.fps)
    tell_of_looped_clips(inputs.train, clip_input, learned)
    if inputs.validation is not None:
        tell_of_looping(inputs.validation, clip_input)
    steps_per_epoch = targets.num_clips / batch_size
    total_steps = max(1, math.ceil(epochs * steps_per_epoch))

    def build(folded: bool = False) -> tuple[keras.Model, keras.Model]:
        trunk = backbone(folded=folded)
        return trunk, learned.head(trunk, len(inputs.classes), seed)

    def batches(first_step: int):
        options = {"batch_size": batch_size, "seed": seed}
        return batches_from(first_step, strategy, inputs.train, targets, clip_input, learned, **options)

    with strategy.scope():
        trunk, network = build()
        if inputs.init_weights is not None:
            taken_over = load_backbone_weights(trunk, inputs.init_weights, allow_unmatched=allow_unmatched)
            if hosts.is_first:
                print(taken_over)
        size = f"{num_parameters(network):,} parameters"
        if freeze_backbone:
            trunk.trainable = False
            origin = inputs.init_weights or "random weights, as train_stage.init_weights names none"
            size += f" of which {num_parameters(network):,} train (the backbone is frozen: {origin})"
        rate = schedule_of(learning_rate, total_steps, steps_per_epoch)
        counts = ClassCounts(targets.clips_of_class, targets.num_clips)
        learned.build(len(inputs.classes), inputs.train.num_clips, counts)
        state = create_state(network, optimizer(learning_rate=rate), learned, average_decay=average_decay)
    checkpoints = Checkpoints(model_dir / "checkpoints", state, hosts)
    checkpoints.restore_latest()
    first_step = int(state.step.numpy())
    tell_if_none_left(profile_steps, first_step, total_steps)
    selection = Selection(
        model_dir / "checkpoints", learned.selected_by, keeps_best=select == "best", patience=stop_after_evaluations
    )

    def evaluate(step: int) -> Evaluation | None:
        with averaged_weights(state):
            assert inputs.validation is not None  # Without, `evaluate_every` is 0.
            videos = score_videos(
                network,
                inputs.validation,
                clip_input,
                strategy,
                hosts,
                batch_size=batch_size,
                num_views=evaluation_views,
                target=learned.predicts,
            )
            if videos is None:
                return None
            evaluation = learned.evaluate(videos, inputs.classes)
            selection.offer(step, evaluation.metrics, network)
        return evaluation

    classes = f"{len(targets.classes)} classes" if targets.classes else "without labels"
    headline = (
        f"{stage}: {size}, "
        f"{gflops_per_clip(learned.stored(trunk, network), clip_input.clip_shape):.2f} GFLOPs a clip, {policy}, "
        f"{classes}, {targets.num_clips:,} clips, {total_steps:,} steps of {batch_size}"
    )
    plan = LoopPlan(
        total_steps,
        steps_per_loop,
        evaluate_every=max(1, round(evaluate_epochs * steps_per_epoch)) if inputs.validation else 0,
        checkpoint_seconds=checkpoint_seconds,
        averaged_steps=math.ceil(steps_per_epoch),
        may_stop_early=stop_after_evaluations is not None,
    )
    hooks: tuple[Hook, ...] = ()
    if hosts.is_first:
        log_dir = model_dir / "logs"
        board = Board(log_dir, stage, inputs.classes, learned, batch_size, steps_shown(epochs, steps_per_epoch))
        hooks = (board, ProgressLine(stage, headline, first_step, total_steps), Profile(log_dir, profile_steps))
    with contextlib.ExitStack() as looking_on, readable(inputs.train.folder):
        for hook in hooks:
            looking_on.enter_context(hook)
        if hosts.is_first:
            shown = hyper_parameters(stage, seed, inputs) | ({"labels": "none"} if learned.target == NONE else {})
            board.describe(network, targets.clips_of_class, targets.num_clips, inputs.train.classes, **shown)
        run_loop(
            state,
            plan,
            make_train_steps(
                state,
                strategy,
                learned,
                global_batch_size=batch_size,
                steps_per_epoch=steps_per_epoch,
                accumulation=accumulation,
                clip_norm=clip_norm,
            ),
            batches(first_step),
            checkpoints=checkpoints,
            evaluate=evaluate,
            has_ended=selection.has_ended,
            hooks=hooks,
            hosts=hosts,
        )
    last_step = int(state.step.numpy())

    def write() -> Metrics:
        if last_step < total_steps:
            print(f"{stage}: ended after step {last_step:,} of {total_steps:,}: {selection.why_ended()}")
        metrics: Metrics = {
            "stage": stage,
            "steps": last_step,
            "planned_steps": total_steps,
            "clips": targets.num_clips,
            "precision": policy,
            "seconds": round(float(state.seconds.numpy()), 1),
            "train": state.means(),
            "train_steps": [plan.averaged_from(last_step - 1) + 1, last_step],
            "evaluations": selection.history(),
            "selected_step": selection.step(last_step),
        }
        trunk.trainable = True  # What is stored can be trained on, like any other network.
        write_outcome(
            model_dir,
            learned.stored(trunk, network),
            trunk,
            lambda: learned.stored(*build(folded=True)),
            targets.classes,
            clip_input,
            learned.predicts,
            counts,
            metrics,
        )
        return metrics

    with averaged_weights(state):
        selection.load_into(network, hosts)
        if precise_bn_batches:
            with readable(inputs.train.folder):
                estimate_statistics(
                    network,
                    strategy,
                    learned.prepare,
                    batches(last_step),
                    precise_bn_batches,
                    is_shown=hosts.is_first,
                )
        return hosts.first_says(write)
