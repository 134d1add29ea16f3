"""One training step on any number of replicas: gradients, their sum, the update."""

import inspect
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import gin
import tensorflow as tf

from spl_tf.training.state import TrainingState

Batch = dict[str, tf.Tensor]
Loss = Callable[..., tf.Tensor]


# Clips of a loop that are shown to a person.
_SHOWN = 4


class Trained(NamedTuple):
    """What is known after a few steps.

    Attributes:
      sums: over the steps, "loss", "correct", "weight", "gradient_norm", "finite_steps" and "data_seconds".
      weight_norm: of all trainable weights after the last step, float32 [].
      clips: up to four of the last batch as the network saw them, float32 [n, T, H, W, 3].
      labels: theirs, int32 [n].
    """

    sums: dict[str, tf.Tensor]
    weight_norm: tf.Tensor
    clips: tf.Tensor
    labels: tf.Tensor


class Gradients(NamedTuple):
    """Of the model's variables, and of the batch's rows of the Data Parameters."""

    model: list[tf.Tensor]
    rows: dict[str, tf.Tensor]


def make_train_steps(
    state: TrainingState,
    strategy: tf.distribute.Strategy,
    loss: Loss,
    prepare: Callable[[Batch], tf.Tensor],
    *,
    global_batch_size: int,
    steps_per_epoch: float = 1.0,
    accumulation: int = 1,
    clip_norm: float | None = None,
) -> Callable:
    """Builds the function that runs n training steps in one graph.

    The objective is sum(weight * loss of a clip) / global batch + regularisation.
    Each replica adds its share of both, so that the summed gradients are the
    gradients of the whole whatever the number of replicas and of micro-batches.
    Data Parameters, where the state has them, divide the logits before the loss.

    Args:
      state: what is trained; updated in place.
      strategy: the devices.
      loss: (labels [b], logits [b, N]) -> float32 [b]; one that has a parameter `epoch` is
        given the epochs done.
      prepare: batch -> network input [b, T, H, W, 3]; runs on the device.
      global_batch_size: B, clips a step over all replicas.
      steps_per_epoch: may be a fraction.
      accumulation: micro-batches a replica's share is cut into. They are unrolled
        in the graph, because moving statistics can't be reduced inside a loop.
      clip_norm: largest global norm of the summed gradient, None for no limit.

    Returns:
      (iterator, n) -> `Trained` of n steps.
    """
    model, optimizer = state.model, state.optimizer
    # gin keeps its scopes per thread, and MirroredStrategy traces each replica in a thread of its own.
    scope = gin.current_scope()  # As a list it replaces the thread's own.
    optimizer._all_reduce_sum_gradients = lambda gradients: gradients  # Summed below, before clipping.
    share = 1.0 / (strategy.num_replicas_in_sync * accumulation)
    temperatures = state.data_parameters
    loss = _with_epoch(loss)

    def gradients_of(batch: Batch) -> tuple[Gradients, dict[str, tf.Tensor]]:
        rows = temperatures.rows(batch["labels"], batch["index"]) if temperatures else {}
        with tf.GradientTape() as tape:
            tape.watch(rows)
            logits = model(prepare(batch), training=True)["logits"]
            divided = temperatures.scale(logits, rows) if temperatures else logits
            epoch = tf.cast(state.step, tf.float32) / steps_per_epoch
            losses = loss(batch["labels"], divided, epoch) * batch["weights"]
            objective = tf.reduce_sum(losses) / global_batch_size
            if model.losses:
                objective += tf.add_n(model.losses) * share
            if temperatures:
                objective += temperatures.weight_decay(rows)
            scaled = objective * state.loss_scale.scale if state.loss_scale else objective
        gradients = Gradients(*tape.gradient(scaled, (model.trainable_variables, rows)))
        correct = tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32) == batch["labels"], tf.float32)
        sums = {
            "loss": tf.reduce_sum(losses),
            "correct": tf.reduce_sum(correct * batch["weights"]),
            "weight": tf.reduce_sum(batch["weights"]),
        }
        return gradients, sums

    def replica_step(batch: Batch) -> dict[str, tf.Tensor]:
        with gin.config_scope(scope):
            parts = [gradients_of(part) for part in _split(batch, accumulation)]
        gradients = [tf.add_n(list(same)) for same in zip(*(of_part.model for of_part, _ in parts), strict=True)]
        of_rows = {name: tf.concat([of_part.rows[name] for of_part, _ in parts], axis=0) for name in parts[0][0].rows}
        context = tf.distribute.get_replica_context()
        # Here and not in the optimizer, so that clipping sees the gradient of the whole batch.
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        if state.loss_scale:
            gradients = [gradient / state.loss_scale.scale for gradient in gradients]
            of_rows = {name: gradient / state.loss_scale.scale for name, gradient in of_rows.items()}
        if temperatures:
            of_rows = temperatures.all_gather(batch["labels"], batch["index"], of_rows)
        norm = tf.linalg.global_norm(gradients)
        finite = tf.math.is_finite(norm)
        if clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, clip_norm, use_norm=norm)
        if state.loss_scale is None:
            optimizer.apply(gradients, model.trainable_variables)
        context.merge_call(finish_step, args=(finite, of_rows, *gradients))
        sums = {name: tf.add_n([part[name] for _, part in parts]) for name in ("loss", "correct", "weight")}
        # These two are alike on every replica; summed over replicas they must count once.
        sums["gradient_norm"] = tf.where(finite, norm, 0.0) / strategy.num_replicas_in_sync
        sums["finite_steps"] = tf.cast(finite, tf.float32) / strategy.num_replicas_in_sync
        return sums

    def finish_step(
        strategy: tf.distribute.Strategy, finite: tf.Tensor, of_rows: dict[str, tf.IndexedSlices], *gradients: tf.Tensor
    ) -> None:
        """What must be done once for all replicas."""
        if state.loss_scale is not None:
            # Replicas can't agree inside a condition, so the condition stands around them.
            def apply() -> None:
                strategy.extended.call_for_each_replica(
                    lambda *own: optimizer.apply(own, model.trainable_variables), args=gradients
                )
                if temperatures:
                    temperatures.apply(strategy, of_rows)

            def skip() -> None:
                optimizer.iterations.assign_add(1)  # A skipped step still counts for the schedule.

            finite = strategy.experimental_local_results(finite)[0]
            tf.cond(finite, apply, skip)
            state.loss_scale.update(finite)
        elif temperatures:
            temperatures.apply(strategy, of_rows)
        if state.average is not None:
            state.average.update(strategy, state.step)
        state.step.assign_add(1)

    @tf.function
    def train_steps(iterator, num_steps: tf.Tensor) -> Trained:
        names = ("loss", "correct", "weight", "gradient_norm", "finite_steps", "data_seconds")
        totals = {name: tf.constant(0.0) for name in names}
        shown = _no_rows(iterator.element_spec)
        for _ in tf.range(num_steps):
            tf.autograph.experimental.set_loop_options(
                shape_invariants=[
                    (shown, {name: tf.TensorShape([None, *rows.shape[1:]]) for name, rows in shown.items()})
                ]
            )
            batch, data_seconds = _timed_next(iterator, previous=totals["loss"])
            sums = strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(replica_step, args=(batch,)), axis=None)
            sums["data_seconds"] = data_seconds
            totals = {name: totals[name] + sums[name] for name in names}
            shown = {name: strategy.experimental_local_results(rows)[0][:_SHOWN] for name, rows in batch.items()}
        weights = [tf.cast(weight, tf.float32) for weight in model.trainable_variables]
        return Trained(totals, tf.linalg.global_norm(weights), prepare(shown), shown["labels"])

    return train_steps


def _no_rows(element_spec: dict[str, tf.TypeSpec]) -> Batch:
    """A batch of one replica without rows."""
    specs = {name: tf.nest.flatten(spec, expand_composites=True)[0] for name, spec in element_spec.items()}
    return {name: tf.zeros([0, *spec.shape[1:]], spec.dtype) for name, spec in specs.items()}


def _with_epoch(loss: Loss) -> Loss:
    """The loss as a function of labels, logits and epoch."""
    if "epoch" in inspect.signature(loss).parameters:
        return lambda labels, logits, epoch: loss(labels, logits, epoch=epoch)
    return lambda labels, logits, epoch: loss(labels, logits)


def _timed_next(iterator, previous: tf.Tensor) -> tuple[Batch, tf.Tensor]:
    """The next batch and the seconds waited for it once the `previous` step had ended."""
    with tf.control_dependencies([previous]):
        before = _clock()
    with tf.control_dependencies([before]):
        batch = next(iterator)
    with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
        after = _clock()
    return batch, tf.cast(after - before, tf.float32)


def _clock() -> tf.Tensor:
    """Seconds, float64; `tf.timestamp` is refused where deterministic kernels are asked for."""
    return tf.ensure_shape(tf.numpy_function(time.perf_counter, [], tf.float64), [])


def _split(batch: Batch, parts: int) -> Sequence[Batch]:
    if parts == 1:
        return [batch]
    split = {name: tf.split(values, parts) for name, values in batch.items()}
    return [{name: pieces[part] for name, pieces in split.items()} for part in range(parts)]
