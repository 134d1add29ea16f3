"""Inputs, weights and derivatives that tests of networks share."""

from collections.abc import Callable

import keras
import numpy as np


def random_clips(*shape: int) -> np.ndarray:
    """The same clips for the same shape."""
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def randomize(model: keras.Model) -> None:
    """Gives every weight a value of its own, also those that start at or near zero; kernels keep the inputs' scale."""
    random = np.random.default_rng(1)
    for variable in model.weights:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif variable.name == "kernel":
            variable.assign(random.normal(0.0, np.prod(variable.shape[:-1]) ** -0.5, variable.shape))
        else:
            variable.assign(random.normal(0.0, 0.3, variable.shape))


def numeric_gradient(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """By central differences, in float64."""
    gradient = np.empty_like(at)
    for index in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[index] = 1e-5
        gradient[index] = (function(at + step) - function(at - step)) / 2e-5
    return gradient
