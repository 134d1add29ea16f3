"""One training step on any number of replicas: gradients, their sum, the update."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import gin
import tensorflow as tf

from spl_tf.training.objectives.objective import Batch, Notes, Objective, Rows
from spl_tf.training.state import TrainingState

# Clips of a loop that are shown to a person.
_SHOWN = 4


class Trained(NamedTuple):
    """What is known after a few steps.

    Attributes:
      sums: over the steps: "loss" and the objective's measures over the weighted clips, "weight", and
        "gradient_norm", "finite_steps" and "data_seconds".
      weight_norm: of all trainable weights after the last step, float32 [].
      clips: up to four of the last batch as the network saw them, float32 [n, T, H, W, 3].
      shown: the rest of what the batch holds of them, [n, ...] each.
    """

    sums: dict[str, tf.Tensor]
    weight_norm: tf.Tensor
    clips: tf.Tensor
    shown: Batch


class _Part(NamedTuple):
    """What a micro-batch gives: gradients of the model's variables, notes of the objective, sums over its clips."""

    gradients: list[tf.Tensor]
    notes: Notes
    sums: dict[str, tf.Tensor]


def make_train_steps(
    state: TrainingState,
    strategy: tf.distribute.Strategy,
    objective: Objective,
    *,
    global_batch_size: int,
    steps_per_epoch: float = 1.0,
    accumulation: int = 1,
    clip_norm: float | None = None,
) -> Callable:
    """Builds the function that runs n training steps in one graph.

    What is minimised is sum(weight * loss of a clip) / global batch + regularisation.
    Each replica adds its share of both, so that the summed gradients are the
    gradients of the whole whatever the number of replicas and of micro-batches.

    Args:
      state: what is trained; updated in place.
      strategy: the devices.
      objective: what the network learns.
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

    def gradients_of(batch: Batch) -> _Part:
        rows: Rows = objective.rows(batch)
        with tf.GradientTape() as tape:
            tape.watch(rows)
            outputs = model(objective.prepare(batch), training=True)
            epoch = tf.cast(state.step, tf.float32) / steps_per_epoch
            losses = objective.losses(outputs, batch, rows, epoch) * batch["weights"]
            total = tf.reduce_sum(losses) / global_batch_size
            if model.losses:
                total += tf.add_n(model.losses) * share
            if rows:
                total += objective.penalty(rows)
        gradients, row_gradients = tape.gradient(total, (model.trainable_variables, rows))
        measures = {name: values * batch["weights"] for name, values in objective.measures(outputs, batch).items()}
        sums = {"loss": losses, **measures, "weight": batch["weights"]}
        return _Part(
            gradients,
            objective.notes(outputs, batch, row_gradients),
            {name: tf.reduce_sum(values) for name, values in sums.items()},
        )

    def replica_step(batch: Batch) -> tf.Tensor:
        """This replica's `names`, but for the last, as one vector: several hosts reduce no structures."""
        with gin.config_scope(scope):
            parts = [gradients_of(part) for part in _split(batch, accumulation)]
        gradients = [tf.add_n(list(same)) for same in zip(*(part.gradients for part in parts), strict=True)]
        context = tf.distribute.get_replica_context()
        # Here and not in the optimizer, so that clipping sees the gradient of the whole batch.
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        notes = tf.nest.map_structure(
            lambda *same: context.all_gather(tf.concat(same, axis=0), axis=0),
            *(part.notes for part in parts),
            expand_composites=True,
        )
        norm = tf.linalg.global_norm(gradients)
        finite = tf.math.is_finite(norm)
        if clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, clip_norm, use_norm=norm)
        optimizer.apply(gradients, model.trainable_variables)
        context.merge_call(finish_step, args=(notes,))
        sums = {name: tf.add_n([part.sums[name] for part in parts]) for name in parts[0].sums}
        # These two are alike on every replica; summed over replicas they must count once.
        sums["gradient_norm"] = tf.where(finite, norm, 0.0) / strategy.num_replicas_in_sync
        sums["finite_steps"] = tf.cast(finite, tf.float32) / strategy.num_replicas_in_sync
        return tf.stack([sums[name] for name in names[:-1]])

    def finish_step(strategy: tf.distribute.Strategy, notes: Notes) -> None:
        """What must be done once for all replicas."""
        objective.update(strategy, notes)
        if state.average is not None:
            state.average.update(strategy, state.step)
        state.step.assign_add(1)

    names = ("loss", *objective.measured, "weight", "gradient_norm", "finite_steps", "data_seconds")

    # Autograph would rewrite the source of everything that is called: 0.1 s a function, and none of them needs it.
    @tf.function(autograph=False)
    def train_steps(iterator, num_steps: tf.Tensor) -> Trained:
        def add_step(done: tf.Tensor, totals: dict[str, tf.Tensor], shown: Batch):
            del shown
            batch, data_seconds = _timed_next(iterator, previous=totals["loss"])
            parts = strategy.run(replica_step, args=(batch,))
            summed = tf.unstack(strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None))
            sums = dict(zip(names, (*summed, data_seconds), strict=True))
            totals = {name: totals[name] + sums[name] for name in names}
            shown = {name: strategy.experimental_local_results(rows)[0][:_SHOWN] for name, rows in batch.items()}
            return done + 1, totals, shown

        start = tf.constant(0), {name: tf.constant(0.0) for name in names}, _no_rows(iterator.element_spec)
        shapes = tf.nest.map_structure(lambda value: value.shape, start[:2])
        some_rows = {name: tf.TensorShape([None, *rows.shape[1:]]) for name, rows in start[2].items()}
        _, totals, shown = tf.while_loop(
            lambda done, *_: done < num_steps, add_step, start, shape_invariants=(*shapes, some_rows)
        )
        weights = [tf.cast(weight, tf.float32) for weight in model.trainable_variables]
        return Trained(totals, tf.linalg.global_norm(weights), objective.prepare(shown), shown)

    return train_steps


def _no_rows(element_spec: dict[str, tf.TypeSpec]) -> Batch:
    """A batch of one replica without rows."""
    specs = {name: tf.nest.flatten(spec, expand_composites=True)[0] for name, spec in element_spec.items()}
    return {name: tf.zeros([0, *spec.shape[1:]], spec.dtype) for name, spec in specs.items()}


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
