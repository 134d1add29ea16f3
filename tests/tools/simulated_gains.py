"""Gains of one strategy over another in folds, drawn with known components of variance."""

import numpy as np

from tools.study import power

TRUE = power.Components(seed=0.0015, recording=0.016, video=0.013, seed_recording=0.02, rest=0.06)
SIZES = [1, 2, 7, 4, 4, 5, 3, 6, 4, 4, 9, 1]  # Videos of each recording: unbalanced on purpose.


def simulated(generator, folds, seeds, sizes, mean=0.0):
    """Gains of every fold, a list of [seeds, videos], and its recordings' names."""
    found = []
    for fold, numbers in enumerate(np.array_split(np.arange(len(sizes)), folds)):
        names = np.repeat(numbers, [sizes[number] for number in numbers])

        def normal(variance, *shape):
            return np.sqrt(variance) * generator.standard_normal(shape)

        of_recordings = normal(TRUE.recording, 1, len(sizes)) + normal(TRUE.seed_recording, seeds, len(sizes))
        of_videos = normal(TRUE.video, 1, len(names)) + normal(TRUE.rest, seeds, len(names))
        gains = mean + normal(TRUE.seed, seeds, 1) + of_recordings[:, names] + of_videos
        found.append((gains, [f"{fold}-{name}" for name in names]))
    return found
