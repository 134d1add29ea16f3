"""What a run carries from step to step, and so what a checkpoint holds."""

import contextlib
import dataclasses
from collections.abc import Iterator

import keras
import tensorflow as tf

from spl_tf.losses.data_parameters import DataParameters


class WeightAverage:
    """Exponential moving average of all floating-point weights of a model.

    Keras' own averages trainable weights only; with them the moving statistics
    of BatchNormalization must be averaged too, or they describe another network.
    """

    def __init__(self, model: keras.Model, decay: float):
        self._decay = decay
        self._weights = [weight.value for weight in model.weights if tf.as_dtype(weight.dtype).is_floating]
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


class LossScale:
    """Dynamic loss scaling for float16: halved on overflow, doubled after many good steps."""

    _INITIAL, _GROWTH_STEPS = 2.0**15, 2000  # as in Keras' LossScaleOptimizer

    def __init__(self):
        self.scale = _counter(self._INITIAL, tf.float32)
        self.good_steps = _counter(0, tf.int32)

    def update(self, finite: tf.Tensor) -> None:
        """To be called once a step in cross-replica context."""
        grow = tf.logical_and(finite, self.good_steps + 1 >= self._GROWTH_STEPS)
        factor = tf.where(finite, tf.where(grow, 2.0, 1.0), 0.5)
        self.scale.assign(tf.maximum(self.scale * factor, 1.0))
        self.good_steps.assign(tf.where(tf.logical_and(finite, tf.logical_not(grow)), self.good_steps + 1, 0))


@dataclasses.dataclass
class TrainingState:
    """Model, optimizer and counters; create it inside the strategy's scope.

    Attributes:
      model: the classifier.
      optimizer: with its slot variables built.
      step: steps done, int64.
      seconds: time spent on them over all sessions of the run, float64.
      loss: mean of the last loop, kept for a session that finds no step left.
      accuracy: likewise.
      average: moving average of the weights.
      loss_scale: for float16.
      data_parameters: temperatures of classes and clips.
    """

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    step: tf.Variable
    seconds: tf.Variable
    loss: tf.Variable
    accuracy: tf.Variable
    average: WeightAverage | None = None
    loss_scale: LossScale | None = None
    data_parameters: DataParameters | None = None

    def as_checkpoint(self) -> tf.train.Checkpoint:
        # Keys are positional under Keras 3: right for resuming this very model, wrong for any other.
        parts = {"model": self.model, "optimizer": self.optimizer, "step": self.step, "seconds": self.seconds}
        parts |= {"loss": self.loss, "accuracy": self.accuracy}
        if self.average is not None:
            parts["averages"] = tf.train.Checkpoint(values=self.average.averages)
        if self.loss_scale is not None:
            parts["loss_scale"] = tf.train.Checkpoint(
                scale=self.loss_scale.scale, good_steps=self.loss_scale.good_steps
            )
        if self.data_parameters is not None:
            parts["data_parameters"] = tf.train.Checkpoint(**self.data_parameters.variables)
        return tf.train.Checkpoint(**parts)


def create_state(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    *,
    average_decay: float | None = None,
    float16: bool = False,
    data_parameters: DataParameters | None = None,
) -> TrainingState:
    """A state at step 0 with every slot variable built, so that a checkpoint restores all of it."""
    optimizer.build(model.trainable_variables)
    return TrainingState(
        model=model,
        optimizer=optimizer,
        step=_counter(0, tf.int64),
        seconds=_counter(0.0, tf.float64),
        loss=_counter(0.0, tf.float64),
        accuracy=_counter(0.0, tf.float64),
        average=WeightAverage(model, average_decay) if average_decay else None,
        loss_scale=LossScale() if float16 else None,
        data_parameters=data_parameters,
    )


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
