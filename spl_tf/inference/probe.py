"""How good a backbone's features are without fine-tuning: a linear probe and k nearest neighbours."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from spl_tf import files
from spl_tf.data.dataset import ClipDataset, load_dataset
from spl_tf.data.input.looping import tell_of_looping
from spl_tf.errors import UserError
from spl_tf.hardware.distribution import device_strategy
from spl_tf.inference.scores import score_clips
from spl_tf.inference.trained_model import ClipInput, load_trained, require_fitting_clips


@dataclasses.dataclass(frozen=True)
class ProbeResult:
    """Top-1 on the test videos.

    Attributes:
      linear: logistic regression on standardised features.
      knn: majority of the nearest neighbours by the angle between standardised features.
    """

    linear: float
    knn: float


def probe_backbone(
    model_dir: files.Path,
    train_shards: files.Path,
    test_shards: files.Path,
    *,
    neighbors: int = 5,
    batch_size: int = 16,
) -> ProbeResult:
    """Fits both classifiers on the clean training set's features, one centred view a record.

    Nothing is chosen: the penalty of the regression is scikit-learn's default, C = 1.

    Args:
      model_dir: folder of a finished stage; its head is not used.
      train_shards: clean set to fit on.
      test_shards: clean set to test on.
      neighbors: k.
      batch_size: clips at once.

    Raises:
      UserError: model and data don't fit together, or scikit-learn is missing.
    """
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise UserError("a probe needs scikit-learn: pip install 'spl_tf[probe]'") from error
    strategy = device_strategy()
    with strategy.scope():
        trained = load_trained(model_dir)
    train_set, test_set = load_dataset(train_shards), load_dataset(test_shards)
    for dataset in (train_set, test_set):
        require_fitting_clips(trained, model_dir, dataset)
        if dataset.multi_label:
            raise UserError(f"{dataset.folder} has several labels per clip: a probe learns one")
        tell_of_looping(dataset, trained.clip_input)
    train, test = (
        _features(trained.network, dataset, trained.clip_input, strategy, batch_size)
        for dataset in (train_set, test_set)
    )
    classifiers = LogisticRegression(max_iter=10_000), KNeighborsClassifier(neighbors, metric="cosine")
    linear, knn = (make_pipeline(StandardScaler(), one).fit(*train).score(*test) for one in classifiers)
    return ProbeResult(float(linear), float(knn))


def _features(
    network: keras.Model, dataset: ClipDataset, clip_input: ClipInput, strategy: tf.distribute.Strategy, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """(features [n, C], labels [n]) of every record."""
    clips = score_clips(
        network, dataset, clip_input, strategy, batch_size=batch_size, num_views=1, description="features"
    )
    features, labels = zip(*((clip.features, clip.label) for clip in clips), strict=True)
    return np.stack(features), np.array(labels)
