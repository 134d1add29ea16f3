"""spl_tf: weakly labelled web videos and images turned into better pre-training.

Sub-Pseudo Labels (SPL) make pre-training classes out of the pair (weak label,
teacher prediction) of every web clip. The idea itself lives in `spl_tf.labels`,
the training loop in `spl_tf.training`, the clip record in `spl_tf.data`.

A notebook needs few names, loaded when first asked for (`docs/python.md`):

  spl_tf.labels          spl_b(confusion, classes) and the other labellers; no TensorFlow
  spl_tf.models          resnet3d(...), r2plus1d(...), s3d(...), resnet2d(...)
  spl_tf.losses          focal(labels, logits, known), anchor_loss(labels, logits) and others
  spl_tf.metrics         top_k_accuracy(scores, labels, k), average_precision(scores, relevant)
  spl_tf.write_shards    videos cut into clips
  spl_tf.open_shards     a folder of shards as its dataset.json describes it
  spl_tf.load            a trained network from its folder
  spl_tf.predict_clips   what such a network says of every clip of a folder of shards
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spl_tf import labels, losses, metrics, models
    from spl_tf.data.building.shards import write_shards
    from spl_tf.data.dataset import load_dataset as open_shards
    from spl_tf.inference.prediction import predict_clips
    from spl_tf.inference.trained_model import load_trained as load

__version__ = "0.3.0"

# TensorFlow leaves oneDNN off on processors without AVX-512, where it halves the time of a training step all the same.
# Read when TensorFlow is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__all__ = [
    "__version__",
    "labels",
    "load",
    "losses",
    "metrics",
    "models",
    "open_shards",
    "predict_clips",
    "write_shards",
]

_ROOMS = ("labels", "losses", "metrics", "models")
_FUNCTIONS = {
    "load": ("spl_tf.inference.trained_model", "load_trained"),
    "open_shards": ("spl_tf.data.dataset", "load_dataset"),
    "predict_clips": ("spl_tf.inference.prediction", "predict_clips"),
    "write_shards": ("spl_tf.data.building.shards", "write_shards"),
}


def __getattr__(name: str) -> Any:
    """Imports a room or function when it is asked for: TensorFlow alone takes seconds."""
    if name in _ROOMS:
        return importlib.import_module(f"spl_tf.{name}")
    if name in _FUNCTIONS:
        module, function = _FUNCTIONS[name]
        return getattr(importlib.import_module(module), function)
    raise AttributeError(f"module 'spl_tf' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
