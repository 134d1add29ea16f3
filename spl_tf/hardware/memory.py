"""Memory of networks that a process is done with."""

import gc

import keras
from tensorflow.python.framework import ops

# What `tf.custom_gradient` calls the gradients it registers while a graph is built, as `all_reduce` does.
_CUSTOM_GRADIENT = "CustomGradient-"


def forget_networks() -> None:
    """Frees networks and graphs that nothing refers to; those in use can't be differentiated anew in graph mode.

    TensorFlow never forgets a registered gradient, whose closure holds the graph of the step it was traced in: a
    process that trains one network after the other would keep all their graphs.
    """
    keras.utils.clear_session(free_memory=False)
    registered = ops.gradient_registry._registry
    for name in [name for name in registered if name.startswith(_CUSTOM_GRADIENT)]:
        del registered[name]
    gc.collect()
