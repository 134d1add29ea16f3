"""What a network costs: multiply-adds per clip and parameters."""

import math

import keras
import tensorflow as tf

_MULTIPLYING = ("Conv2D", "Conv3D", "MatMul")
_MULTIPLYING_PER_CLIP = ("BatchMatMulV2", "BatchMatMulV3")


def gflops_per_clip(model: keras.Model, clip_shape: tuple[int, int, int, int]) -> float:
    """Billions of multiply-adds of one forward pass, as "GFLOPs" in the tables of video papers.

    One multiply-add counts once; tf.profiler and hardware vendors count two.
    Convolutions and matrix products (dense layers, gates, attention) are counted, what is
    done per value (normalization, ReLU, pooling) is not.

    Args:
      model: takes clips [B, T, H, W, 3].
      clip_shape: (T, H, W, 3).
    """
    forward = tf.function(lambda clips: model(clips, training=False), autograph=False)
    concrete = forward.get_concrete_function(tf.TensorSpec((1, *clip_shape), tf.float32))
    return sum(_multiply_adds(operation) for operation in concrete.graph.get_operations()) / 1e9


def _multiply_adds(operation: tf.Operation) -> int:
    """Output values times the products summed in each."""
    if operation.type in _MULTIPLYING_PER_CLIP:
        left = operation.inputs[0].shape
        return operation.outputs[0].shape.num_elements() * left[-2 if operation.get_attr("adj_x") else -1]
    if operation.type not in _MULTIPLYING:
        return 0
    kernel = operation.inputs[1].shape  # [..., Cin, Cout]
    return operation.outputs[0].shape.num_elements() * math.prod(kernel[:-1])


def num_parameters(model: keras.Model) -> int:
    """Trainable parameters; moving statistics are not counted."""
    return sum(math.prod(variable.shape) for variable in model.trainable_weights)
