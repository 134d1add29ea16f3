"""What runs a network over clips: TensorFlow, or another engine that agrees with it.

An engine is chosen in gin, for all commands that score clips: `inference_engine.engine = @openvino`.
"""

import functools
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import gin
import keras
import numpy as np
import tensorflow as tf

from spl_tf.data.dataset import ClipDataset
from spl_tf.data.input.preprocessing import normalize
from spl_tf.errors import UserError
from spl_tf.hardware.distribution import join_batch, split_batch
from spl_tf.inference.agreement import Agreement, sample_of
from spl_tf.inference.trained_model import TrainedModel, scores_of, with_precision
from spl_tf.labels.targets import NONE

# Clips of a batch, uint8 [B, T, S, S, 3] -> scores [B, N] and features [B, C].
Run = Callable[[tf.Tensor], tuple[np.ndarray, np.ndarray]]

# What an engine may differ from float32: of the clips in how many classes, and in confidence on average.
_LEAST_EQUAL = 0.995
_LARGEST_SHIFT = 0.01


@runtime_checkable
class Engine(Protocol):
    """Something that runs a network."""

    def title(self) -> str:
        """Its name, version and precision: what stands in the header of what it predicts."""

    def compiled(self, forward: Callable, clips: np.ndarray, batch_size: int) -> Run:
        """A form of a function of TensorFlow for batches of one size.

        Args:
          forward: uint8 clips [B, T, S, S, 3] -> scores [B, N], features [B, C], in float32.
          clips: some to calibrate by, uint8 [n, T, S, S, 3], in whole batches.
          batch_size: B.
        """


@gin.configurable
def inference_engine(*, engine: Callable[[], Engine] | None = None) -> Engine | None:
    """What runs networks over clips in `predict`, `evaluate`, `clean` and wherever features are taken.

    Args:
      engine: `openvino`; None is TensorFlow.
    """
    return None if engine is None else engine()


def run_of(trained: TrainedModel, dataset: ClipDataset, strategy: tf.distribute.Strategy, batch_size: int) -> Run:
    """The chosen engine's form of a network, which agrees with TensorFlow on clips of a data set.

    Raises:
      UserError: it does not, or the engine is not installed.
    """
    engine = inference_engine()
    if engine is not None and trained.target == NONE:
        print(f"{engine.title()} is not used: without class scores there is nothing to compare", flush=True)
        engine = None
    if engine is None:
        return tensorflow_run(trained.network, strategy, trained.target)
    forward = functools.partial(scores_and_features, with_precision(trained.network, "float32"), trained.target)
    sample = sample_of(dataset, trained.clip_input, batch_size)
    run, title = engine.compiled(forward, np.concatenate(sample.batches), batch_size), engine.title()
    agreement = sample.agreement(lambda clips: forward(clips)[0].numpy(), lambda batch: run(batch)[0])
    print(f"{title}: {agreement}", flush=True)
    if agreement.equal < _LEAST_EQUAL * agreement.compared or agreement.shift > _LARGEST_SHIFT:
        raise UserError(
            f"{title} is refused: {agreement}; {_LEAST_EQUAL:.1%} and a shift of {_LARGEST_SHIFT:g} are asked "
            "for. Choose a higher precision, or leave inference_engine.engine out"
        )
    return run


def agreement_with_float32(trained: TrainedModel, dataset: ClipDataset, run: Run, batch_size: int) -> Agreement:
    """Of what TensorFlow makes of a network in a lower precision.

    The few clips are computed operation by operation: to compile the network once more would take longer.
    """
    exact = with_precision(trained.network, "float32")
    sample = sample_of(dataset, trained.clip_input, batch_size)
    return sample.agreement(
        lambda clips: scores_and_features(exact, trained.target, clips)[0].numpy(), lambda batch: run(batch)[0]
    )


def tensorflow_run(network: keras.Model, strategy: tf.distribute.Strategy, target: str) -> Run:
    """On all devices of a strategy; reads the weights that the network has when called."""
    compiled = _compiled(network, strategy, target)

    def run(clips: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
        scores, features = (join_batch(strategy, part).numpy() for part in compiled(split_batch(strategy, clips)))
        return scores, features

    return run


@functools.lru_cache(maxsize=1)  # Every validation of a training run would trace the network again.
def _compiled(network: keras.Model, strategy: tf.distribute.Strategy, target: str) -> Callable:
    forward = functools.partial(scores_and_features, network, target)
    return tf.function(lambda clips: strategy.run(forward, args=(clips,)), autograph=False)


def scores_and_features(network: keras.Model, target: str, clips: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """uint8 clips [B, T, H, W, 3] -> scores [B, N], of no columns without class scores, and features [B, C]."""
    outputs = network(normalize(clips), training=False)
    features = outputs["features"]
    return features[:, :0] if target == NONE else scores_of(outputs["logits"], target), features
