"""One label for each video of several (NoisyActions2M: CCE and CCE-Mask, table 3 and algorithm 1). numpy only.

V videos and their labels are `offsets` int64 [V + 1] and `classes` int32 [entries], as in `SparseTargets`: video i has
the classes from offsets[i] to offsets[i + 1], at least one and none twice.
"""

import numpy as np

from spl_tf.labels.targets import SparseTargets

NO_LABEL = -1

# Last integers of a key, so that no two kinds of draws, nor those of the order of the clips, share their bits.
_RANDOM, _SHUFFLES, _LEFT_OVER = 3, 4, 5


def random_labels(offsets: np.ndarray, classes: np.ndarray, seed: int) -> np.ndarray:
    """A uniformly random label of each video's own, int32 [V]: drawn once, as the single-label lists of the paper."""
    return _drawn(offsets, classes, seed, 0, 0, _RANDOM)


def balanced_labels(offsets: np.ndarray, classes: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Labels of one epoch by algorithm 1, spread over the classes, int32 [V]; all other labels of a video are masked.

    The paper goes through the videos: one gets the first of its labels that fewer videos than the threshold have, or
    else a random one. This is the pass that the released code ran, through the classes: see `balanced_pass`. Both
    keep the frequent classes from taking most videos; the second makes which of a class's videos get it a matter of
    chance and not of their place in the list. Videos that no class is left for get a uniformly random label of
    theirs, whereby a class may exceed the threshold.

    The labels are a function of the arguments alone. 2,000,000 videos of 4 labels take some seconds, and about 40
    bytes a label while they are made.

    Args:
      seed, epoch: non-negative.
    """
    labels = balanced_pass(offsets, classes, _bits(len(classes), seed, epoch, 0, _SHUFFLES))
    return np.where(labels == NO_LABEL, _drawn(offsets, classes, seed, epoch, 0, _LEFT_OVER), labels)


def balanced_pass(offsets: np.ndarray, classes: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Gives every class to some of its videos that have no label yet.

    Classes come in the order in which the list of videos first names them. A class is given while no more than the
    threshold have it, which is the mean number of videos of a class that has any: so to floor(threshold) + 1 at most.

    Args:
      keys: [entries], of every class the order of its videos: they come by rising key.

    Returns:
      int32 [V], -1 for a video whose classes were all given to others.
    """
    labels = np.full(len(offsets) - 1, NO_LABEL, np.int32)
    if not len(classes):
        return labels
    videos = np.repeat(np.arange(len(labels), dtype=np.int32), np.diff(offsets))
    found, firsts, counts = np.unique(classes, return_index=True, return_counts=True)
    most = len(classes) // len(found) + 1
    ends = np.cumsum(counts)
    shuffled = videos[np.lexsort((keys, classes))]
    for place in np.argsort(firsts):
        own = shuffled[ends[place] - counts[place] : ends[place]]
        labels[own[labels[own] == NO_LABEL][:most]] = found[place]
    return labels


def labelled_videos(targets: SparseTargets, videos: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The videos of kept clips and their labels.

    Clips of a video that have other labels than its first ones, as a labeller may give them, count as a video of
    their own: no clip gets a label that it does not have.

    Args:
      targets: of "several", n clips; a class of which nothing is known is no label.
      videos: int [n], the number of each clip's video.

    Returns:
      `offsets`, `classes`, and int32 [n], of every clip its video among these; -1 for a clip that is discarded or has
      no label.
    """
    is_label = (targets.values > 0) & np.repeat(targets.kept, np.diff(targets.offsets))
    classes = targets.classes[is_label]
    offsets = np.append(0, np.cumsum(is_label))[targets.offsets]
    clips = np.flatnonzero(np.diff(offsets))
    # Sets of labels are compared by sums of random numbers of their classes: 64 bits, and within a video alone.
    sums = np.append(np.uint64(0), np.cumsum(_bits(int(classes.max(initial=0)) + 1, 0)[classes], dtype=np.uint64))
    sets, videos = (sums[offsets[1:]] - sums[offsets[:-1]])[clips], videos[clips]
    order = np.lexsort((sets, videos))
    is_first = np.ones(len(clips), bool)
    is_first[1:] = (np.diff(videos[order]) != 0) | (np.diff(sets[order]) != 0)
    firsts = np.sort(order[is_first])  # Videos come in the order of their first clips.
    of_clip = np.full(len(targets), NO_LABEL, np.int32)
    of_clip[clips[order]] = np.searchsorted(firsts, order[is_first])[np.cumsum(is_first) - 1]
    chosen = SparseTargets(targets.form, offsets, classes, classes, targets.kept).take(clips[firsts])
    return chosen.offsets, chosen.classes, of_clip


def _drawn(offsets: np.ndarray, classes: np.ndarray, *key: int) -> np.ndarray:
    """A uniformly random one of each video's classes, int32 [V]."""
    uniforms = (_bits(len(offsets) - 1, *key) >> np.uint64(11)) * 2.0**-53  # As numpy makes doubles of them.
    places = (uniforms * np.diff(offsets)).astype(np.int64)
    return classes[offsets[:-1] + places].astype(np.int32)


def _bits(size: int, *key: int) -> np.ndarray:
    """Random uint64 [size], the same in every version of numpy."""
    return np.random.Philox(np.random.SeedSequence(key)).random_raw(size)
