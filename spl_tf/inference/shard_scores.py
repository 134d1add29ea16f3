"""The softmax scores of every clip of a folder of shards, in memory."""

from typing import Any

import gin
import numpy as np

from spl_tf import files
from spl_tf.inference.scores import score_trained
from spl_tf.inference.trained_model import load_with_clips, require_distributions


@gin.configurable
def score_shards(
    model_dir: files.Path, shards: files.Path, *, num_views: int = 1, batch_size: int = 16, precision: str = "auto"
) -> tuple[tuple[str, ...], np.ndarray]:
    """Runs a trained network over all clips.

    Args:
      model_dir: folder of a finished stage.
      shards: folder of shards of the same classes.
      num_views: uniformly spaced temporal views of each clip.
      batch_size: views at once.
      precision: "auto", "float32" or "bfloat16".

    Returns:
      The N classes, and float32 [n, N] in the order of the data set: 4 bytes times clips times classes.

    Raises:
      UserError: network and data don't fit together, there is no clip, or a record can't be read.
    """
    require_distributions(model_dir, "a matrix of label noise")
    trained, dataset, strategy = load_with_clips(model_dir, shards, precision)
    scores = np.empty((dataset.num_clips, dataset.num_classes), np.float32)
    options: dict[str, Any] = {"batch_size": batch_size, "num_views": num_views}
    for place, clip in enumerate(score_trained(trained, dataset, strategy, description="scores", **options)):
        scores[place] = clip.scores
    return trained.classes, scores
