"""How good a backbone's features are without fine-tuning: a linear probe, k nearest neighbours, and retrieval."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from spl_tf import files
from spl_tf.data.dataset import ClipDataset, load_dataset
from spl_tf.data.input.looping import tell_of_looping
from spl_tf.errors import UserError
from spl_tf.hardware.distribution import device_strategy
from spl_tf.inference.scores import score_trained
from spl_tf.inference.trained_model import TrainedModel, load_trained, require_fitting_clips

# Of the nearest-clip retrieval in papers on self-supervised learning, from VCOP (Xu et al., CVPR 2019) on.
RETRIEVED = (1, 5, 10, 20, 50)


@dataclasses.dataclass(frozen=True)
class ProbeResult:
    """Shares of the test videos.

    Attributes:
      linear: logistic regression on standardised features is right.
      knn: the majority of the nearest neighbours is, by the angle between standardised features.
      retrieval: k of RETRIEVED -> any of the k nearest training videos is of its class, by the angle between features.
    """

    linear: float
    knn: float
    retrieval: Mapping[int, float]


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
      model_dir: folder of a finished stage; its head, if it has one, is not used.
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
        trained = load_trained(model_dir, needs_scores=False)
    train_set, test_set = load_dataset(train_shards), load_dataset(test_shards)
    for dataset in (train_set, test_set):
        require_fitting_clips(trained, model_dir, dataset)
        if dataset.multi_label:
            raise UserError(f"{dataset.folder} has several labels per clip: a probe learns one")
        tell_of_looping(dataset, trained.clip_input)
    train, test = (_features(trained, dataset, strategy, batch_size) for dataset in (train_set, test_set))
    classifiers = LogisticRegression(max_iter=10_000), KNeighborsClassifier(neighbors, metric="cosine")
    linear, knn = (make_pipeline(StandardScaler(), one).fit(*train).score(*test) for one in classifiers)
    return ProbeResult(float(linear), float(knn), _retrieval(*train, *test))


def _retrieval(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray
) -> dict[int, float]:
    """Of features [n, C] and labels [n]; among equally near ones the first come first."""
    # The length of a test video's own features does not change which are the nearest.
    similarity = test @ (train / np.maximum(np.linalg.norm(train, axis=1, keepdims=True), 1e-12)).T
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, : max(RETRIEVED)]
    is_right = train_labels[nearest] == test_labels[:, np.newaxis]
    return {k: float(is_right[:, :k].any(axis=1).mean()) for k in RETRIEVED}


def _features(
    trained: TrainedModel, dataset: ClipDataset, strategy: tf.distribute.Strategy, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """(features [n, C], labels [n]) of every record."""
    clips = score_trained(trained, dataset, strategy, batch_size=batch_size, num_views=1, description="features")
    features, labels = zip(*((clip.features, clip.label) for clip in clips), strict=True)
    return np.stack(features), np.array(labels)
