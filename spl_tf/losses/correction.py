"""Forward and Backward correction: losses that know how labels go wrong (Patrini et al., CVPR 2017)."""

import os
import pathlib
from collections.abc import Sequence

import gin
import numpy as np
import tensorflow as tf

from spl_tf import files
from spl_tf.arrays import map_array
from spl_tf.errors import UserError

_EPSILON = 1e-7  # Keras' epsilon, by which the authors' code clips the probabilities.

Transition = np.ndarray | Sequence[Sequence[float]] | files.Path


@gin.configurable(denylist=["epoch"])
def forward_correction(
    labels: tf.Tensor, logits: tf.Tensor, epoch: tf.Tensor | float = 0.0, *, transition: Transition
) -> tf.Tensor:
    """-log of the probability of the noisy label: -log sum over i of p_i T[i, label], in float32.

    As in the authors' code p = softmax(logits) is clipped to [1e-7, 1 - 1e-7]
    first, so that the loss is bounded and the gradient through a clipped
    probability is zero.

    Args:
      labels: int32 [B] noisy class ids.
      logits: [B, N] of the clean classes.
      epoch: not used.
      transition: T [N, N], T[i, j] = P(noisy label j | class i), or the path of a .npy
        file with it, read when a graph is traced; see `spl_tf.labels.transition`.

    Returns:
      float32 [B].

    Raises:
      UserError: T is unreadable, does not fit the logits, has rows that are no
        distributions or a column of zeros.
    """
    del epoch
    matrix, _ = _checked(transition, logits)
    # Not a matrix product: on recent GPUs that would be computed in TF32.
    to_label = tf.gather(tf.constant(matrix.T, tf.float32), labels)
    return -tf.math.log(tf.reduce_sum(to_label * _probabilities(logits), axis=-1))


@gin.configurable(denylist=["epoch"])
def backward_correction(
    labels: tf.Tensor, logits: tf.Tensor, epoch: tf.Tensor | float = 0.0, *, transition: Transition
) -> tf.Tensor:
    """Cross-entropies weighted by the inverse of T: -sum over j of T^-1[label, j] log p_j, in float32.

    Its mean over the noisy labels is the cross-entropy of the clean ones; the
    loss of a clip may be negative. p is clipped as in `forward_correction`.

    Args:
      labels: int32 [B] noisy class ids.
      logits: [B, N] of the clean classes.
      epoch: not used.
      transition: as in `forward_correction`.

    Returns:
      float32 [B].

    Raises:
      UserError: as `forward_correction`, or T has no inverse.
    """
    del epoch
    matrix, source = _checked(transition, logits)
    if np.linalg.matrix_rank(matrix) < matrix.shape[0]:
        raise UserError(f"{source} is singular and has no inverse: use forward_correction or another matrix")
    weights = tf.gather(tf.constant(np.linalg.inv(matrix), tf.float32), labels)
    return -tf.reduce_sum(weights * tf.math.log(_probabilities(logits)), axis=-1)


def _probabilities(logits: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(tf.nn.softmax(tf.cast(logits, tf.float32)), _EPSILON, 1.0 - _EPSILON)


def _checked(transition: Transition, logits: tf.Tensor) -> tuple[np.ndarray, str]:
    """The matrix as float64 and its name for messages."""
    source = "the transition matrix"
    try:
        if isinstance(transition, str | os.PathLike):
            source = f"the transition matrix {pathlib.Path(transition)}"
            matrix = np.array(map_array(transition, "give N x N numbers or a .npy file of numpy.save"))
        else:
            matrix = np.asarray(transition)
    except ValueError as error:  # Of rows of different lengths.
        raise UserError(f"{source} can't be read: give N x N numbers or a .npy file of numpy.save ({error})") from error
    if not isinstance(matrix, np.ndarray) or matrix.dtype.kind not in "fiu":
        raise UserError(f"{source} holds no numbers: give N x N of them, or a .npy file of numpy.save")
    num_classes = logits.shape[-1]
    if matrix.shape != (num_classes, num_classes):
        raise UserError(f"{source} has the shape {matrix.shape}, the network {num_classes} classes: give N x N")
    matrix = matrix.astype(np.float64)
    if not (matrix >= 0).all() or not np.allclose(matrix.sum(axis=1), 1.0, atol=1e-4):
        raise UserError(f"{source}: every row must be a distribution, of no negative numbers and with the sum 1")
    empty = np.flatnonzero(matrix.sum(axis=0) == 0)
    if empty.size:
        raise UserError(f"{source}: column {empty[0]} is all zeros, no clip could carry that label; give it a share")
    return matrix, source
