"""The outputs of a served network as lines to read."""

from collections.abc import Sequence

import numpy as np

from spl_tf.errors import UserError

_BAR = 30


def scores_of(outputs: dict[str, np.ndarray]) -> np.ndarray:
    """Scores [N] of the one clip that was sent.

    Raises:
      UserError: the model gives something else.
    """
    scores = np.asarray(outputs.get("scores", ()))
    one_clip = scores.ndim == 2 and len(scores) == 1 and len(outputs.get("labels", ())) == 1
    if not one_clip or scores.dtype.kind not in "fiu":
        given = ", ".join(f"{name} {np.shape(values)}" for name, values in outputs.items())
        raise UserError(f"the model gives no scores and label of one clip ({given}): is it one of spl_tf.export?")
    if not np.isfinite(scores).all():
        raise UserError("the model's scores are not finite: export it with --precision=float32")
    return scores[0]


def top_lines(outputs: dict[str, np.ndarray], classes: Sequence[str] | None, count: int = 5) -> list[str]:
    """A line for each of the best classes: name, bar and percentage.

    Args:
      outputs: "scores" float [1, N] and "labels" str [1] among them.
      classes: the N names; None where only that of the best is known.
      count: how many lines.

    Raises:
      UserError: the outputs are no answer for one clip, or there are other classes.
    """
    scores = scores_of(outputs)
    best = np.argsort(-scores, kind="stable")[:count]
    label = str(outputs["labels"][0])
    if classes is None:
        names = [label, *(f"class {number}" for number in best[1:])]
    elif len(classes) != len(scores) or classes[best[0]] != label:
        raise UserError(
            f"the model's best of {len(scores)} classes is {label!r}, not one of the {len(classes)} given: "
            "name the --model_json or --classes of the version that is served"
        )
    else:
        names = [classes[number] for number in best]
    width = max(len(name) for name in names)
    return [
        f"{name:<{width}}  {'#' * round(_BAR * score):<{_BAR}} {100 * score:5.1f} %"
        for name, score in zip(names, scores[best], strict=True)
    ]
