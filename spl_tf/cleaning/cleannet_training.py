"""Trains CleanNet on a web set and a clean one, and asks it about every web clip (Lee et al., CVPR 2018)."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf
import tqdm

from spl_tf.cleaning.cleannet_loss import cleannet_loss, cosine_similarity
from spl_tf.cleaning.cleannet_network import class_encoder, log_features, query_encoder
from spl_tf.cleaning.references import reference_features
from spl_tf.cleaning.verified_pairs import VerifiedPairs
from spl_tf.errors import UserError
from spl_tf.inference.features import ClipFeatures

_DECAY = 0.1
_CLIPS_AT_ONCE = 4096
_STEPS_PER_LOOK = 100
_COUNTS = ("steps", "num_references", "batch_size")


@gin.configurable(denylist=["num_classes", "seed"])
def cleannet(
    web: ClipFeatures,
    clean: ClipFeatures,
    pairs: VerifiedPairs,
    *,
    num_classes: int,
    seed: int = 0,
    steps: int = 60_000,
    num_references: int = 32,
    batch_size: int = 32,
    learning_rate: float = 0.01,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
) -> np.ndarray:
    """How much every web clip resembles the class of its label.

    Every step takes some verified pairs, of all in a new order each time, and as many web clips with their own
    labels: first a class that has clips, then a clip of it. The learning rate falls to a tenth halfway. The
    authors keep the network that does best on verified pairs held out; none are held out here, the last is kept.

    Args:
      web: features of the web set.
      clean: features of the clean set.
      pairs: verified pairs of clean clips.
      num_classes: N.
      seed: of first weights, references and batches.
      steps: the authors' 60,000 are for a hundred thousand images and more; a small set needs far fewer.
      num_references: k-means centres that stand for a class.
      batch_size: verified pairs of a step, and web clips.
      learning_rate: before it falls.
      momentum: of SGD.
      weight_decay: coupled, on kernels.

    Returns:
      float32 [n], cosines in the order of the web set.

    Raises:
      UserError: an option is out of range, or the loss becomes infinite.
    """
    require_options(
        {
            "steps": steps,
            "num_references": num_references,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "momentum": momentum,
            "weight_decay": weight_decay,
        }
    )
    references = log_features(reference_features(web, num_classes, num_references, seed))
    classes = class_encoder(web.num_features, num_references, weight_decay=weight_decay, seed=2 * seed)
    queries = query_encoder(web.num_features, weight_decay=weight_decay, seed=2 * seed + 1)
    schedule = keras.optimizers.schedules.ExponentialDecay(learning_rate, max(1, steps // 2), _DECAY, staircase=True)
    train_step = _make_train_step(classes, queries, references, keras.optimizers.SGD(schedule, float(momentum)))
    generator = np.random.default_rng(seed)
    verified = _verified_batches(clean, pairs, batch_size, generator)
    unverified = _unverified_batches(web, batch_size, generator)
    halves = np.repeat(np.array([1, 0], np.float32), batch_size)
    with tqdm.trange(steps, desc="CleanNet", unit="step", dynamic_ncols=True, mininterval=1.0) as bar:
        for step in bar:
            batch = (np.concatenate(parts) for parts in zip(next(verified), next(unverified), strict=True))
            loss = train_step(*batch, halves)
            if step % _STEPS_PER_LOOK == 0 or step == steps - 1:
                _require_finite(float(loss), step)
                bar.set_postfix(loss=f"{float(loss):.3g}", refresh=False)
    cosine = _similarities(web, classes(references), queries)
    if not np.isfinite(cosine).all():  # Which is above no threshold and below none.
        raise UserError("CleanNet's cosines are not finite after its last step: give a smaller cleannet.learning_rate")
    return cosine


def require_options(options: Mapping[str, Any]) -> None:
    """Checks options of `cleannet` by name; to be asked of `gin.get_bindings(cleannet)` before hours of work.

    Raises:
      UserError: an option is not a number, or out of range.
    """
    for name, value in options.items():
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        wanted, fits = {
            **dict.fromkeys(_COUNTS, ("a whole number from 1 upwards", isinstance(number, int) and number >= 1)),
            "learning_rate": ("a number above 0", 0 < number < math.inf),
            "momentum": ("a number from 0 to 1", 0 <= number <= 1),
            "weight_decay": ("a number from 0 upwards", 0 <= number < math.inf),
        }.get(name, ("", True))
        if not fits:
            raise UserError(f"cleannet.{name} = {value!r}: give {wanted}")


def _require_finite(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise UserError(f"CleanNet's loss is {loss} at step {step}: give a smaller cleannet.learning_rate")


def _make_train_step(
    classes: keras.Model, queries: keras.Model, references: tf.Tensor, optimizer: keras.optimizers.Optimizer
) -> Callable[..., tf.Tensor]:
    """(features [B, C], class ids [B], right [B], verified [B]) -> the step's loss []."""
    variables = classes.trainable_variables + queries.trainable_variables
    optimizer.build(variables)

    @tf.function(autograph=False)
    def train_step(features: tf.Tensor, class_ids: tf.Tensor, right: tf.Tensor, verified: tf.Tensor) -> tf.Tensor:
        features = log_features(features)
        # A class is encoded once, however many pairs of the batch it is in.
        present, place = tf.unique(class_ids)
        with tf.GradientTape() as tape:
            codes = tf.gather(classes(tf.gather(references, present)), place)
            outputs = queries(features)
            cosine = cosine_similarity(codes, outputs["code"])
            losses = cleannet_loss(cosine, right, verified, features, outputs["reconstruction"])
            loss = tf.reduce_mean(losses) + sum(classes.losses + queries.losses)
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return train_step


_Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


def _verified_batches(
    clean: ClipFeatures, pairs: VerifiedPairs, batch_size: int, generator: np.random.Generator
) -> Iterator[_Batch]:
    """Endless batches of features, class ids and 1 for right; all pairs are used before one comes again."""
    waiting = np.empty(0, np.int64)
    while True:
        while len(waiting) < batch_size:
            waiting = np.append(waiting, generator.permutation(len(pairs.rows)))
        chosen, waiting = waiting[:batch_size], waiting[batch_size:]
        yield clean.gather(pairs.rows[chosen]), pairs.classes[chosen], pairs.right[chosen].astype(np.float32)


def _unverified_batches(web: ClipFeatures, batch_size: int, generator: np.random.Generator) -> Iterator[_Batch]:
    """Endless batches of web clips with their labels, classes being equally frequent."""
    labels = web.labels
    by_class = np.argsort(labels, kind="stable")
    found, first, clips = np.unique(labels[by_class], return_index=True, return_counts=True)
    while True:
        drawn = generator.integers(len(found), size=batch_size)
        rows = by_class[first[drawn] + generator.integers(clips[drawn])]
        yield web.gather(rows), found[drawn], np.zeros(batch_size, np.float32)


def _similarities(web: ClipFeatures, codes: tf.Tensor, queries: keras.Model) -> np.ndarray:
    """float32 [n]: every web clip against the class of its label."""

    @tf.function(
        input_signature=[tf.TensorSpec([None, web.num_features]), tf.TensorSpec([None], tf.int32)], autograph=False
    )
    def compare(features: tf.Tensor, class_ids: tf.Tensor) -> tf.Tensor:
        return cosine_similarity(tf.gather(codes, class_ids), queries(log_features(features))["code"])

    labels = web.labels
    cosines = np.empty(len(web), np.float32)
    with tqdm.tqdm(desc="similarity", total=len(web), unit="clip", dynamic_ncols=True, delay=1) as bar:
        for start in range(0, len(web), _CLIPS_AT_ONCE):
            rows = np.arange(start, min(start + _CLIPS_AT_ONCE, len(web)))
            cosines[rows] = compare(web.gather(rows), labels[rows])
            bar.update(len(rows))
    return cosines
