"""What a run carries from step to step, and so what a checkpoint holds."""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping

import keras
import tensorflow as tf

from spl_tf.training.objectives.objective import Objective


class WeightAverage:
    """Exponential moving average of all floating-point weights of a model, but for those of frozen layers.

    Keras' own averages trainable weights only; with them the moving statistics
    of BatchNormalization must be averaged too, or they describe another network.
    The average of a weight that stays the same would be another one by rounding.
    """

    def __init__(self, model: keras.Model, decay: float):
        self._decay = decay
        frozen = {id(weight) for layer in model.layers if not layer.trainable for weight in layer.weights}
        self._weights = [
            weight.value
            for weight in model.weights
            if tf.as_dtype(weight.dtype).is_floating and id(weight) not in frozen
        ]
        self.averages = [tf.Variable(weight, trainable=False) for weight in self._weights]

    def update(self, strategy: tf.distribute.Strategy, step: tf.Tensor) -> None:
        """Moves the averages; to be called in cross-replica context. Early steps count more, as in TF's own EMA."""
        step = tf.cast(step, tf.float32)
        decay = tf.minimum(self._decay, (1.0 + step) / (10.0 + step))
        for average, weight in zip(self.averages, self._weights, strict=True):
            strategy.extended.update(
                average, lambda kept, new: kept.assign(decay * kept + (1.0 - decay) * new), args=(weight,)
            )

    def swap(self) -> None:
        """Exchanges the model's weights with the averages; a second call undoes it."""
        for average, weight in zip(self.averages, self._weights, strict=True):
            kept = tf.identity(average)
            average.assign(weight)
            weight.assign(kept)


@dataclasses.dataclass
class TrainingState:
    """Model, optimizer, counters and what the objective keeps; create it inside the strategy's scope.

    Attributes:
      model: trunk and head.
      optimizer: with its slot variables built.
      objective: its variables are saved with the rest.
      step: steps done, int64.
      seconds: time spent on them over all sessions of the run, float64.
      sums: "loss", the objective's measures and "weight" over the last steps' clips, see `LoopPlan.averaged_from`.
      average: moving average of the weights.
    """

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    objective: Objective
    step: tf.Variable
    seconds: tf.Variable
    sums: dict[str, tf.Variable]
    average: WeightAverage | None = None

    def means(self) -> dict[str, float]:
        """What `sums` are per clip."""
        return means_of({name: float(total.numpy()) for name, total in self.sums.items()}, self.sums)

    def forget_sums(self) -> None:
        for total in self.sums.values():
            total.assign(0.0)

    def as_checkpoint(self) -> tf.train.Checkpoint:
        # Keys are positional under Keras 3: right for resuming this very model, wrong for any other.
        parts = {"model": self.model, "optimizer": self.optimizer, "step": self.step, "seconds": self.seconds}
        parts["sums"] = tf.train.Checkpoint(**self.sums)
        if self.average is not None:
            parts["averages"] = tf.train.Checkpoint(values=self.average.averages)
        if self.objective.variables:
            parts["objective"] = tf.train.Checkpoint(**self.objective.variables)
        return tf.train.Checkpoint(**parts)


def create_state(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    objective: Objective,
    *,
    average_decay: float | None = None,
) -> TrainingState:
    """A state at step 0 with every slot variable built, so that a checkpoint restores all of it."""
    optimizer.build(model.trainable_variables)
    return TrainingState(
        model=model,
        optimizer=optimizer,
        objective=objective,
        step=_counter(0, tf.int64),
        seconds=_counter(0.0, tf.float64),
        sums={name: _counter(0.0, tf.float64) for name in ("loss", *objective.measured, "weight")},
        average=WeightAverage(model, average_decay) if average_decay else None,
    )


def means_of(sums: Mapping[str, float], names: Iterable[str]) -> dict[str, float]:
    """Sums over the clips of some steps, per unit of the clips' weight."""
    return {name: sums[name] / max(sums["weight"], 1e-9) for name in names if name != "weight"}


@contextlib.contextmanager
def averaged_weights(state: TrainingState) -> Iterator[None]:
    """Puts the moving average of the weights into the model for a while, where there is one."""
    if state.average is None:
        yield
        return
    state.average.swap()
    try:
        yield
    finally:
        state.average.swap()


def _counter(initial: float, dtype: tf.DType) -> tf.Variable:
    return tf.Variable(initial, dtype=dtype, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
