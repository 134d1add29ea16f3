"""What CleanNet learns from: a clip, a class, and whether a person says that the one shows the other."""

import dataclasses

import numpy as np

from spl_tf.errors import UserError
from spl_tf.inference.features import ClipFeatures


@dataclasses.dataclass(frozen=True, eq=False)
class VerifiedPairs:
    """n pairs.

    Attributes:
      rows: int64 [n], the clip's place in the clean set.
      classes: int32 [n], the class it is compared with.
      right: bool [n], whether the class is the clip's.
      both_labelled: how many of the pairs come from clips that the web set holds too.
    """

    rows: np.ndarray
    classes: np.ndarray
    right: np.ndarray
    both_labelled: int


def web_labels_of(clean: ClipFeatures, web: ClipFeatures) -> np.ndarray:
    """The label each clean clip has in the web set, found by its clip id: int32 [n], -1 where it is not there."""
    row_of = {clip_id: row for row, clip_id in enumerate(name for names in clean.clip_ids() for name in names)}
    labels = np.full(len(clean), -1, np.int32)
    for names, table in zip(web.clip_ids(), web.tables, strict=True):
        for name, label in zip(names, table["label"], strict=True):
            if name in row_of:
                labels[row_of[name]] = label
    return labels


def make_pairs(
    truth: np.ndarray, web_labels: np.ndarray, confusion: np.ndarray, generator: np.random.Generator
) -> VerifiedPairs:
    """Pairs of every clean clip.

    A clip that the web set holds too, with a label of its own, gives the pair of the original: the clip
    and its web label, right where that is the true one. Any other clip gives two pairs: with its own class,
    which is right, and with another, which is wrong. The other is drawn from the web set's own mistakes: of a
    clip of class i it is j as often as clips that the teacher takes for i were found by the query j, each such
    count raised by one. An even draw would mostly give classes that nobody confuses, and teach what is easy.

    A class without web clips has no reference to be compared with and is in no pair.

    Args:
      truth: int [n], classes of the clean clips.
      web_labels: int [n], as of `web_labels_of`.
      confusion: int [N, N], web clips by query (row) and teacher's class (column).
      generator: draws the wrong classes.

    Raises:
      UserError: fewer than two classes have web clips.
    """
    found = confusion.sum(axis=1) > 0
    if found.sum() < 2:
        raise UserError("the web set has clips of fewer than two classes: there is no label to be mistaken for another")
    both = np.flatnonzero(web_labels >= 0)
    alone = np.flatnonzero(web_labels < 0)
    wrong = np.empty(len(alone), np.int32)
    for class_id in np.unique(truth[alone]):
        clips = np.flatnonzero(truth[alone] == class_id)
        chances = np.where(found, confusion[:, class_id] + 1.0, 0.0)
        chances[class_id] = 0.0
        wrong[clips] = generator.choice(len(chances), clips.size, p=chances / chances.sum())
    rows = np.concatenate([both, alone, alone])
    classes = np.concatenate([web_labels[both], truth[alone], wrong]).astype(np.int32)
    kept = found[classes]  # Of `both` all are: the web set holds them.
    return VerifiedPairs(rows[kept], classes[kept], (classes == truth[rows])[kept], len(both))
