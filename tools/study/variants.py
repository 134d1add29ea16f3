"""What arms of the paper's further questions do otherwise than the recipe."""

import dataclasses
import pathlib
from collections.abc import Callable

from spl_tf.experiment.noise_matrices import counted_transition, estimated_transition

_FRAMES = (
    "resnet3d.temporal_kernels = [[1], [1], [1], [1]]",
    "resnet3d.stem_kernel = (1, 5, 5)",
    "train_stage.num_frames = 1",
)


@dataclasses.dataclass(frozen=True)
class Variant:
    """Departures from the recipe.

    Attributes:
      bindings: gin's, beside those of the recipe.
      num_labels: classes of SPL-M and SPL-D.
      clips_per_class: quota of web clips, taken from all videos alike.
      best_ranked: share of the web videos of each query that are used, the first ones of the search.
      repeats: how much oftener a part of the web set is seen, so that the number of steps stays.
      transition: how the matrix of Forward correction comes to be: estimated from a
        network that learned the weak labels, or counted from the teacher's predictions.
      starts_from_frames: whether every network begins as one trained on single web frames, inflated.
    """

    bindings: tuple[str, ...] = ()
    num_labels: int | None = None
    clips_per_class: int | None = None
    best_ranked: float = 1.0
    repeats: int = 1
    transition: Callable[..., pathlib.Path] | None = None
    starts_from_frames: bool = False


def _data_parameters(mode: str) -> Variant:
    return Variant(
        ("pretrain/train_stage.data_parameters = @DataParameters", f"pretrain/DataParameters.mode = '{mode}'")
    )


_FORWARD = ("pretrain/train_stage.loss = @forward_correction",)
# Rows of a results file know a variant by its name: one with other settings needs another name.
VARIANTS = {
    "": Variant(),
    "data_parameters_class": _data_parameters("class"),
    "data_parameters_instance": _data_parameters("instance"),
    "forward_estimated": Variant(_FORWARD, transition=estimated_transition),
    "forward_counted": Variant(_FORWARD, transition=counted_transition),
    # Its authors' settings; 1 epoch in 6 of softmax for their 5 in 90. It sums over the classes: at the recipe's rate
    # of 0.1, pre-training on SPL's 36 diverges.
    "anchor": Variant(
        (
            "pretrain/train_stage.loss = @anchor_loss",
            "pretrain/anchor_loss.warmup_epochs = 1",
            "pretrain/warmup_cosine.peak = 0.03",
        )
    ),
    "no_projection": Variant(("pretrain/classifier.projection_units = None",)),
    "labels9": Variant(num_labels=9),
    "labels18": Variant(num_labels=18),
    "labels24": Variant(num_labels=24),
    "clips25": Variant(clips_per_class=43, repeats=4),
    "clips50": Variant(clips_per_class=86, repeats=2),
    "videos50": Variant(best_ranked=0.5, repeats=2),
    "inflated": Variant(starts_from_frames=True),
}
# Of the network over frames.
FRAMES = Variant(_FRAMES)
