"""GPU hours of a recipe, estimated from its configuration; nothing is read but the gin files.

  python -m tools.cost.recipe --gin_file=papers/spl/table1_spl_b.gin

FLOPs = 2 x multiply-adds of a clip x clips x epochs x 3 (forward once, backward twice); inference counts once.
Hours = FLOPs / (--gpu_tflops x --utilization). How many classes, target and test videos there are, a recipe of
gin/papers/spl says in the macros CLASSES, TARGET_VIDEOS and TEST_VIDEOS, and in WEB_CLIPS how many web clips where it
sets no quota; for others give the flags.
"""

import ast
import dataclasses
import math

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
for _name, _help in (
    ("classes", "Classes of the target set."),
    ("target_videos", "Videos of the target set."),
    ("test_videos", "Videos of the test set."),
    ("web_clips", "Clips of the web set, for a recipe without a quota."),
):
    flags.DEFINE_integer(_name, None, f"{_help} As the gin file says by default.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_float("gpu_tflops", 312.0, "Peak rate of a GPU; an A100's in bfloat16.", flag_values=FLAGS)
flags.DEFINE_float("utilization", 0.3, "Share of the peak rate that is used.", flag_values=FLAGS)

_BACKWARD_AND_FORWARD = 3


@dataclasses.dataclass(frozen=True)
class Part:
    """One part of a recipe: what is done with how many clips, and how often."""

    name: str
    gigamacs: float
    clips: float
    passes: float

    def hours(self, gpu_tflops: float, utilization: float) -> float:
        return 2e9 * self.gigamacs * self.clips * self.passes / (1e12 * gpu_tflops * utilization) / 3600


def main() -> None:
    command.parse_gin(FLAGS)
    parts = recipe_parts(*(_size(name) for name in ("classes", "target_videos", "test_videos")), _size("web_clips", 0))
    width = max(len(part.name) for part in parts)
    hours = [part.hours(FLAGS.gpu_tflops, FLAGS.utilization) for part in parts]
    for part, time in zip(parts, hours, strict=True):
        print(
            f"{part.name:<{width}}  {part.gigamacs:8.1f} G multiply-adds a clip  {part.clips:12,.0f} clips  "
            f"x {part.passes:6,.1f}  {time:10,.1f} GPU hours"
        )
    print(f"{'all':<{width}}  {sum(hours):,.1f} GPU hours at {FLAGS.utilization:.0%} of {FLAGS.gpu_tflops:g} TFLOPS")


def _size(name: str, *default: int) -> int:
    """Of the data: a flag, or the recipe's macro of that name, or a default."""
    import gin

    from spl_tf.errors import UserError

    if FLAGS[name].value is not None:
        return FLAGS[name].value
    try:
        return gin.query_parameter(f"%{name.upper()}")
    except ValueError as error:
        if default:
            return default[0]
        raise UserError(f"--{name} missing: the gin files have no macro {name.upper()} either") from error


def recipe_parts(num_classes: int, target_videos: int, test_videos: int, web_clips: int = 0) -> list[Part]:
    """What the parsed recipe does, for all its strategies, seeds and rounds; the strategies' discards are not known.

    Args:
      num_classes: N.
      target_videos: clips of an epoch of teacher and fine-tuning.
      test_videos: of a test.
      web_clips: of the web set where the recipe sets no quota; 0 for not known.

    Raises:
      UserError: the recipe says nothing of the number of web clips.
    """
    from spl_tf import configuration
    from spl_tf.errors import UserError
    from spl_tf.experiment.recipe import has_rounds
    from spl_tf.experiment.tasks import NO_PRETRAINING

    strategies = _value("recipe.strategies", "", ())
    seeds = len(_value("recipe.seeds", "", (0,)))
    second_rounds = _value("recipe.rounds", "", 1) - 1
    students = [name for name in strategies if has_rounds(name)] * second_rounds
    pretrained = [name for name in strategies if name != NO_PRETRAINING] + students
    if configuration.stage_bindings("").get("recipe.transition") == "@estimated_transition":
        pretrained *= 2  # A network of cross-entropy before each.
    quota = _value("recipe.web_clips_per_class", "", None)
    if quota is not None:
        web_clips = quota * num_classes
    if pretrained and not web_clips:
        raise UserError("the number of web clips is not known: set recipe.web_clips_per_class or --web_clips")
    trained, tested = _gigamacs()
    steps = {
        stage: _BACKWARD_AND_FORWARD * _value("train_stage.epochs", stage)
        for stage in ("teacher", "pretrain", "finetune")
    }
    parts = []
    if pretrained:
        web_clips *= seeds
        parts += [
            Part("teacher", trained, target_videos * seeds, steps["teacher"]),
            Part("prediction", trained, web_clips * (1 + len(students)), 1),
            Part("pre-training", trained, web_clips * len(pretrained), steps["pretrain"]),
        ]
    runs = seeds * (len(strategies) + len(students))
    views = math.prod(_value(f"evaluate_model.{name}", "finetune", 1) for name in ("num_views", "num_crops"))
    parts.append(Part("fine-tuning", trained, target_videos * runs, steps["finetune"]))
    parts.append(Part("test", tested, test_videos * runs, views))
    return parts


def _value(name: str, stage: str, *default: object) -> object:
    """A parameter as the configuration has it for a stage, macros replaced.

    Raises:
      UserError: it is not set and there is no default.
    """
    from spl_tf import configuration
    from spl_tf.errors import UserError

    bindings = configuration.stage_bindings(stage)
    if name in bindings:
        return ast.literal_eval(bindings[name])
    if not default:
        raise UserError(f"{name} is not set: give it with --gin_param or in the gin file")
    return default[0]


def _gigamacs() -> tuple[float, float]:
    """Multiply-adds of the backbone for a training clip and for a test view, in 1e9."""
    import gin

    from spl_tf import configuration
    from spl_tf.models.cost import gflops_per_clip

    name = configuration.stage_bindings("pretrain").get("train_stage.backbone", "@resnet3d").removeprefix("@")
    with gin.config_scope("pretrain"):
        backbone = gin.get_configurable(name)()
    frames, crop = (_value(f"train_stage.{name}", "pretrain") for name in ("num_frames", "crop_size"))
    test_frames = _value("evaluate_model.num_frames", "finetune", None) or frames
    test_crop = _value("evaluate_model.crop_size", "finetune", None) or crop
    return tuple(
        gflops_per_clip(backbone, (number, side, side, 3))
        for number, side in ((frames, crop), (test_frames, test_crop))
    )


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
