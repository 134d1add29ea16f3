"""Clean clips dealt into folds, so that each is predicted by a teacher that did not learn from it."""

from collections.abc import Sequence

import numpy as np

from spl_tf.errors import UserError


def deal_folds(
    labels: np.ndarray, groups: Sequence[str], num_folds: int, classes: Sequence[str], seed: int
) -> np.ndarray:
    """The fold of every clip: int32 [n].

    All clips of a group come into one fold. Of each class the folds have as many groups, within one, and the folds of
    all classes together are as even.

    Args:
      labels: int [n], the clips' classes; a group is of the class of its first clip.
      groups: n names, of videos or of what several videos show.
      num_folds: 2 or more.
      classes: names of the N classes.
      seed: of the order in which the groups of a class are dealt.

    Raises:
      UserError: a class has fewer than two groups: the teacher of one fold would never have seen it.
    """
    _, firsts, group_of = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    generator = np.random.default_rng(seed)
    folds = np.zeros(len(firsts), np.int32)
    dealt = 0
    for class_id, name in enumerate(classes):
        own = np.flatnonzero(labels[firsts] == class_id)
        if len(own) < 2:
            raise UserError(
                f"class {name!r} has {len(own)} groups of clean videos: give two or more, a teacher is to learn from "
                "one part and to predict the other"
            )
        folds[generator.permutation(own)] = (dealt + np.arange(len(own))) % num_folds
        dealt += len(own)
    return folds[group_of]
