"""Options of a pipeline that fit no data, or not these."""

from spl_tf.data.dataset import ClipDataset
from spl_tf.errors import UserError


def check_frames(dataset: ClipDataset, *, crop_size: int, **sizes: int) -> None:
    """Raises UserError unless all sizes are at least 1 and the window fits into the stored frames."""
    check_at_least(1, crop_size=crop_size, **sizes)
    if crop_size > dataset.short_side:
        raise UserError(
            f"crop_size = {crop_size} is larger than the {dataset.short_side} pixels of the short side in "
            f"{dataset.folder}: choose a smaller crop_size, or run {dataset.made_by} with a larger --short_side"
        )


def check_at_least(lowest: int, **options: int) -> None:
    """Raises UserError for the first option that is less."""
    for name, value in options.items():
        if value < lowest:
            raise UserError(f"{name} = {value}: must be at least {lowest}")
