"""Data Parameters (Saxena, Tuzel, DeCoste, NeurIPS 2019): a learned temperature per class and per clip."""

import dataclasses
import math
from collections.abc import Mapping

import gin
import tensorflow as tf

from spl_tf.errors import UserError

_MOMENTUM = 0.9
_KINDS = {"class": ("class",), "instance": ("instance",), "joint": ("class", "instance")}

PerKind = Mapping[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class _Table:
    """One kind of parameter: s = log temperature and the momenta of its optimizer, float32 [entries]."""

    log_temperatures: tf.Variable
    momenta: tf.Variable
    learning_rate: float
    weight_decay: float
    initial: float


@gin.configurable(denylist=["num_classes", "num_clips"])
class DataParameters:
    """Temperatures that divide the logits of a training clip; create them inside the strategy's scope.

    With s the logarithms that are learned, y the label and i the index of a clip:

      mode "class":     tau = exp(s_class[y])
      mode "instance":  tau = exp(s_instance[i])
      mode "joint":     tau = exp(s_class[y]) + exp(s_instance[i])

    They are no part of the model, and nothing of them is left at inference.
    A training step makes two calls. In the replica's context, around its tape:

      rows = parameters.rows(labels, clips)
      with tf.GradientTape() as tape:
          tape.watch(rows)
          logits = parameters.scale(logits, rows)
          objective = sum(losses) / global_batch_size + parameters.weight_decay(rows)
      gradients = parameters.slices(labels, clips, tape.gradient(objective, rows))

    then, with the slices of micro-batches and replicas concatenated, in cross-replica context, by `merge_call`:

      parameters.apply(strategy, gradients)

    The authors' SparseSGD is plain SGD with momentum 0.9 (v <- 0.9 v + g,
    s <- s - lr v) at a constant rate, where an entry whose gradient is exactly zero
    keeps both its value and its momentum: only what the batch touches moves.
    TensorFlow takes what is below float32's normal range for zero; PyTorch does not,
    which shows where two logits are 87 to 103 temperatures apart.
    A step reads and writes the rows of its clips alone, whatever `num_clips`.
    """

    def __init__(
        self,
        num_classes: int,
        num_clips: int,
        *,
        mode: str = "instance",
        class_learning_rate: float = 0.1,
        instance_learning_rate: float = 0.2,
        class_weight_decay: float = 0.0,
        instance_weight_decay: float = 0.0,
        class_initial: float = 1.0,
        instance_initial: float | None = None,
        largest: float | None = 20.0,
    ):
        """Creates the variables.

        The SPL paper gives no setting. Defaults are those of the authors' experiment
        with noisy labels: one temperature a clip, learning rate 0.2, no weight decay.
        Their ImageNet runs have "class" with 0.1 and decay 1e-4, "joint" with 0.1 and
        1e-4 for classes, 0.8 and 1e-8 for clips.

        Args:
          num_classes: C, entries of the class table.
          num_clips: entries of the instance table.
          mode: "class", "instance" or "joint".
          class_learning_rate: of s_class.
          instance_learning_rate: of s_instance.
          class_weight_decay: pulls the temperatures of the batch's classes to 1.
          instance_weight_decay: likewise for its clips.
          class_initial: temperature at the start.
          instance_initial: likewise; None for 1, and 0.001 in mode "joint", where the
            paper wants the sum to start near 1 (the authors' code defaults to 1).
          largest: after a step all temperatures are within [1 / largest, largest];
            None for no clamping. As in the authors' code, the 0.001 of
            "joint" therefore becomes 0.05 for every clip after the first step.

        Raises:
          UserError: an option is none of the above.
        """
        if mode not in _KINDS:
            raise UserError(f"DataParameters.mode {mode!r} is none of {', '.join(_KINDS)}")
        if instance_initial is None:
            instance_initial = 0.001 if mode == "joint" else 1.0
        if min(class_initial, instance_initial) <= 0:
            raise UserError("DataParameters: initial temperatures must be above 0")
        if largest is not None and largest <= 1:
            raise UserError(f"DataParameters.largest = {largest}: give a temperature above 1, or None")
        self._log_limit = None if largest is None else math.log(largest)
        sizes = {
            "class": (num_classes, class_learning_rate, class_weight_decay, class_initial),
            "instance": (num_clips, instance_learning_rate, instance_weight_decay, instance_initial),
        }
        self._tables = {kind: _table(*sizes[kind]) for kind in _KINDS[mode]}

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """All state by name, for `tf.train.Checkpoint(**variables)`."""
        return {
            f"{kind}_{name}": getattr(table, name)
            for kind, table in self._tables.items()
            for name in ("log_temperatures", "momenta")
        }

    def temperatures(self) -> dict[str, tf.Tensor]:
        """exp(s) of each kind, float32 [C] and [num_clips], for logging."""
        return {kind: tf.exp(table.log_temperatures) for kind, table in self._tables.items()}

    def rows(self, labels: tf.Tensor, clips: tf.Tensor) -> dict[str, tf.Tensor]:
        """The s of a batch, float32 [b] of each kind; to be called in replica context.

        Args:
          labels: int [b] class ids.
          clips: int [b] indices of the clips in the training set, in [0, num_clips).
        """
        keys = {"class": labels, "instance": clips}
        return {kind: _gather(table.log_temperatures, keys[kind]) for kind, table in self._tables.items()}

    def scale(self, logits: tf.Tensor, rows: PerKind) -> tf.Tensor:
        """logits [b, N] / tau, float32."""
        temperatures = tf.add_n([tf.exp(row) for row in rows.values()])
        return tf.cast(logits, tf.float32) / temperatures[:, tf.newaxis]

    def weight_decay(self, rows: PerKind) -> tf.Tensor:
        """Sum over the batch of decay / 2 * s^2, to be added to the objective; scalar.

        A sum where the loss is a mean, and a class counts as often as it occurs: as
        in the authors' code. Sums of replicas and micro-batches add up to that of
        the whole batch, so it needs no division by their number.
        """
        return tf.add_n([0.5 * self._tables[kind].weight_decay * tf.reduce_sum(row**2) for kind, row in rows.items()])

    def slices(self, labels: tf.Tensor, clips: tf.Tensor, gradients: PerKind) -> dict[str, tf.IndexedSlices]:
        """The gradients of a batch with their places in the tables; a key may be repeated.

        Args:
          labels: int [b] of this replica's share of the batch.
          clips: int [b], likewise.
          gradients: of the whole objective by `rows`, float32 [b] of each kind.
        """
        keys = {"class": labels, "instance": clips}
        return {kind: tf.IndexedSlices(values=row, indices=keys[kind]) for kind, row in gradients.items()}

    def apply(self, strategy: tf.distribute.Strategy, gradients: Mapping[str, tf.IndexedSlices | tf.Tensor]) -> None:
        """One step of SparseSGD; to be called once a step in cross-replica context.

        Args:
          strategy: under whose scope the variables were created.
          gradients: for each kind the gradient of the global batch, as slices, where
            repeated keys are summed, or whole.
        """
        for kind, table in self._tables.items():

            def update(
                values: tf.Variable,
                momenta: tf.Variable,
                gradient: tf.IndexedSlices | tf.Tensor,
                table: _Table = table,
            ) -> None:
                if not isinstance(gradient, tf.IndexedSlices):
                    gradient = tf.IndexedSlices(values=gradient, indices=tf.range(tf.size(gradient)))
                self._update(table, values, momenta, gradient)

            strategy.extended.update(table.log_temperatures, update, args=(table.momenta, gradients[kind]))

    def _update(self, table: _Table, values: tf.Variable, momenta: tf.Variable, gradient: tf.IndexedSlices) -> None:
        keys, positions = tf.unique(gradient.indices)
        summed = tf.math.unsorted_segment_sum(gradient.values, positions, tf.size(keys))
        old, old_momentum = _gather(values, keys), _gather(momenta, keys)
        momentum = _MOMENTUM * old_momentum + summed
        touched = summed != 0.0
        new = tf.where(touched, old - table.learning_rate * momentum, old)
        momenta.scatter_update(tf.IndexedSlices(tf.where(touched, momentum, old_momentum), keys))
        limit = self._log_limit
        if limit is not None:
            new = tf.clip_by_value(new, -limit, limit)
            if abs(math.log(table.initial)) > limit:
                # All entries start outside the range together, so one tells whether this is the first step.
                tf.cond(
                    tf.abs(_gather(values, 0)) > limit,
                    lambda: values.assign(tf.clip_by_value(values, -limit, limit), read_value=False),
                    lambda: tf.no_op(),
                )
        values.scatter_update(tf.IndexedSlices(new, keys))


def _table(entries: int, learning_rate: float, weight_decay: float, initial: float) -> _Table:
    values, zeros = tf.fill([entries], math.log(initial)), tf.zeros([entries])
    return _Table(
        tf.Variable(values, trainable=False), tf.Variable(zeros, trainable=False), learning_rate, weight_decay, initial
    )


def _gather(variable: tf.Variable, keys: tf.Tensor | int) -> tf.Tensor:
    """Entries of this replica's copy; `tf.gather` would read the whole of a mirrored variable first."""
    return tf.raw_ops.ResourceGather(resource=variable.handle, indices=keys, dtype=tf.float32)
