"""A class as CleanNet sees it: some typical features of the clips that carry its noisy label."""

import cv2
import numpy as np
import tqdm

from spl_tf.inference.features import ClipFeatures

# As the authors' code: 50 iterations or a shift below 1e-4, the best of 10 attempts.
_CRITERIA = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-4)
_ATTEMPTS = 10
# Of a larger class so many clips are drawn: 80 MB of 2,048 features, and a minute for the centres.
_MOST_CLIPS = 10_000


def reference_features(web: ClipFeatures, num_classes: int, num_references: int, seed: int) -> np.ndarray:
    """The k-means centres of every class' web clips, of the features as they are.

    A class of fewer clips than references has each of them as a reference, repeated
    in turn; the references of a class without clips are zeros.

    Args:
      web: features of the web set and its labels.
      num_classes: N.
      num_references: R, of each class (the authors take 32).
      seed: of the draw and the first centres.

    Returns:
      float32 [N, R, C].
    """
    labels = web.labels
    references = np.zeros((num_classes, num_references, web.num_features), np.float32)
    generator = np.random.default_rng(seed)
    for class_id in tqdm.trange(num_classes, desc="references", unit="class", dynamic_ncols=True, delay=1):
        rows = np.flatnonzero(labels == class_id)
        if len(rows) > _MOST_CLIPS:
            rows = np.sort(generator.choice(rows, _MOST_CLIPS, replace=False))
        if not len(rows):
            continue
        features = web.gather(rows)
        if len(rows) <= num_references:
            references[class_id] = features[np.arange(num_references) % len(rows)]
            continue
        cv2.setRNGSeed(seed % 2**31)
        references[class_id] = cv2.kmeans(features, num_references, None, _CRITERIA, _ATTEMPTS, cv2.KMEANS_PP_CENTERS)[
            2
        ]
    return references
