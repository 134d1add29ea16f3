"""Options of a stage that exclude or need each other, looked at before anything is written."""

from spl_tf.errors import UserError


def require_positive(**options: float) -> None:
    """Refuses what is no number above 0."""
    for name, value in options.items():
        if not isinstance(value, int | float) or value <= 0:
            raise UserError(f"train_stage.{name} = {value!r}: give a number above 0")


def require_fitting(
    *,
    select: str,
    stop_after_evaluations: int | None,
    is_validated: bool,
    freeze_backbone: bool,
    precise_bn_batches: int,
) -> None:
    """Raises UserError unless options of `train_stage` go together; `is_validated` says whether there is validation."""
    if select not in ("last", "best"):
        raise UserError(f"train_stage.select {select!r} is neither 'last' nor 'best'")
    if select == "best" and not is_validated:
        raise UserError("train_stage.select = 'best' needs train_stage.validation_shards")
    if stop_after_evaluations is not None:
        require_positive(stop_after_evaluations=stop_after_evaluations)
        if not is_validated:
            raise UserError("train_stage.stop_after_evaluations needs train_stage.validation_shards")
    if freeze_backbone and precise_bn_batches:
        raise UserError(
            "train_stage.precise_bn_batches estimates the statistics that train_stage.freeze_backbone keeps: "
            "leave one of them out"
        )
