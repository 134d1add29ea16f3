"""Folds batch normalization into the convolution before it: the form for inference."""

import keras
import numpy as np


def fold_into(model: keras.Model, folded_model: keras.Model) -> None:
    """Sets the weights of a folded network so that it computes what `model` computes at inference.

    With the moving statistics of a normalization (mean m, variance v) and its
    parameters (gamma, beta), a convolution W becomes

        W' = W * gamma / sqrt(v + epsilon)      b' = beta + (b - m) * gamma / sqrt(v + epsilon)

    (b is its bias, mostly none), which is exact at zero-padded borders too, since padding comes before the
    convolution. All other layers, gates and head, are copied by name.

    Args:
      model: a backbone or a classifier with normalization.
      folded_model: the same network on `resnet3d(..., folded=True)`.

    Raises:
      ValueError: the two are not forms of one network: a variable of the folded
        model gets no value or one of another shape, or a weight of `model` is
        left over.
    """
    weights = folded_weights(model)
    variables = {variable.path: variable for variable in folded_model.weights}
    if unset := sorted(variables.keys() - weights.keys()):
        raise ValueError(f"the network has no weights for {', '.join(unset[:3])} of its folded form")
    if unused := sorted(weights.keys() - variables.keys()):
        raise ValueError(f"the folded form has no place for {', '.join(unused[:3])}")
    for path, variable in variables.items():
        if variable.shape != weights[path].shape:
            raise ValueError(f"{path} is {weights[path].shape}, in the folded form {variable.shape}")
    for path, variable in variables.items():
        variable.assign(weights[path])


def folded_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Weights of the folded form of `model` by variable path, float32; see `fold_into`."""
    layers = {layer.name: layer for layer in model.layers}
    weights = {}
    for name, layer in layers.items():
        if f"{name}_bn" in layers:
            kernel, bias = _fold(layer, layers[f"{name}_bn"])
            weights[layer.kernel.path] = kernel
            weights[layer.kernel.path.removesuffix("kernel") + "bias"] = bias
        elif not name.endswith("_bn"):
            weights.update({variable.path: keras.ops.convert_to_numpy(variable) for variable in layer.weights})
    return weights


def _fold(convolution: keras.layers.Conv3D, normalization: keras.Layer) -> tuple[np.ndarray, np.ndarray]:
    """Kernel [kt, kh, kw, Cin, Cout] and bias [Cout] in float32, computed in float64."""
    gamma, beta, mean, variance = (
        keras.ops.convert_to_numpy(variable).astype(np.float64)
        for variable in (
            normalization.gamma,
            normalization.beta,
            normalization.moving_mean,
            normalization.moving_variance,
        )
    )
    scale = gamma / np.sqrt(variance + normalization.epsilon)
    kernel = keras.ops.convert_to_numpy(convolution.kernel).astype(np.float64) * scale
    bias = keras.ops.convert_to_numpy(convolution.bias).astype(np.float64) if convolution.use_bias else 0.0
    return kernel.astype(np.float32), (beta + (bias - mean) * scale).astype(np.float32)
