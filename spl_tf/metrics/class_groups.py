"""Classes of many, some and few clips in training, whose means tell the head of a long tail from its end."""

from collections.abc import Sequence

import gin
import numpy as np

from spl_tf.errors import UserError


@gin.configurable(denylist=["clips_of_class"])
def class_groups(
    clips_of_class: Sequence[int] | np.ndarray, *, many: int = 100, few: int = 20
) -> dict[str, np.ndarray]:
    """The classes of each group, as Liu et al. (CVPR 2019) split them and Wu et al. (ECCV 2020) after them.

    Args:
      clips_of_class: [N], clips that have each class, of those the network was trained on.
      many: a class of more clips is one of many.
      few: a class of fewer clips is one of few; the rest are of some.

    Returns:
      bool [N] for each of "many", "some" and "few".

    Raises:
      UserError: a class would be of many and of few.
    """
    if few > many + 1:
        raise UserError(f"class_groups: few = {few} is above many = {many}: give a smaller one")
    clips = np.asarray(clips_of_class)
    return {"many": clips > many, "some": (clips <= many) & (clips >= few), "few": clips < few}


def means_of_groups(precisions: np.ndarray, clips_of_class: Sequence[int] | np.ndarray) -> dict[str, float]:
    """Mean average precision of each group; nan for one of which no class has videos.

    Args:
      precisions: float [N], nan for a class that counts in no mean.
      clips_of_class: [N].
    """
    groups = class_groups(clips_of_class)
    counted = {name: precisions[own & ~np.isnan(precisions)] for name, own in groups.items()}
    return {
        f"mean_average_precision_{name}": float(values.mean()) if values.size else float("nan")
        for name, values in counted.items()
    }
