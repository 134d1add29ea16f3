"""GPU hours of a recipe, estimated from its configuration; nothing is read but the gin files.

  python -m tools.cost.recipe --gin_file=papers/spl/table1.gin [--arms=spl_b]

What arms share, as the teacher, counts once; so does fine-tuning without pre-training that is the teacher's training.
FLOPs = 2 x multiply-adds of a clip x clips x epochs x 3 (forward once, backward twice); inference counts once.
Hours = FLOPs / (--gpu_tflops x --utilization). How many classes, target and test videos there are, a recipe of
gin/papers/spl says in the macros CLASSES, TARGET_VIDEOS and TEST_VIDEOS, and in WEB_CLIPS how many web clips where it
sets no quota; for others give the flags. Where the web set has classes of its own (labels "own"), a quota is of these:
WEB_CLASSES.
"""

import ast
import collections
import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from absl import flags

from spl_tf import command

if TYPE_CHECKING:
    from spl_tf.experiment.arms import Arm

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
for _name, _help in (
    ("classes", "Classes of the target set."),
    ("target_videos", "Videos of the target set."),
    ("test_videos", "Videos of the test set."),
    ("web_classes", "Classes of the web set, where they are its own."),
    ("web_clips", "Clips of the web set, for a recipe without a quota."),
):
    flags.DEFINE_integer(_name, None, f"{_help} As the gin file says by default.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_list("arms", [], "Arms of the recipe, by name; all by default.", flag_values=FLAGS)
flags.DEFINE_float("gpu_tflops", 312.0, "Peak rate of a GPU; an A100's in bfloat16.", flag_values=FLAGS)
flags.DEFINE_float("utilization", 0.3, "Share of the peak rate that is used.", flag_values=FLAGS)

_SIZES = ("classes", "target_videos", "test_videos", "web_classes", "web_clips")
_PARTS = ("self-supervised", "teacher", "prediction", "pre-training", "fine-tuning", "test")
_BACKWARD_AND_FORWARD = 3
# Bindings that don't change the backbone.
_NO_NETWORK = ("recipe.", "video_folder.", "train_stage.loss", "train_stage.data_parameters", "DataParameters.")
_NO_NETWORK += ("anchor_loss.", "forward_correction.", "backward_correction.", "cleannet.")
_NO_NETWORK += (
    "train_stage.objective",
    "train_stage.epochs",
    "training_clips.",
    "one_of_several.",
    "distribution_balanced.",
)


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
    from spl_tf.experiment.arms import choose_arms, configured_arms

    arms = configured_arms()
    parts = recipe_parts(arms, choose_arms(arms, FLAGS.arms), {name: FLAGS[name].value for name in _SIZES})
    width = max(len(part.name) for part in parts)
    hours = [part.hours(FLAGS.gpu_tflops, FLAGS.utilization) for part in parts]
    for part, time in zip(parts, hours, strict=True):
        print(
            f"{part.name:<{width}}  {part.gigamacs:8.1f} G multiply-adds a clip  {part.clips:12,.0f} clips  "
            f"x {part.passes:6,.1f}  {time:10,.1f} GPU hours"
        )
    print(f"{'all':<{width}}  {sum(hours):,.1f} GPU hours at {FLAGS.utilization:.0%} of {FLAGS.gpu_tflops:g} TFLOPS")


def recipe_parts(arms: Sequence["Arm"], chosen: Sequence["Arm"], sizes: Mapping[str, int | None]) -> list[Part]:
    """What the chosen arms of the parsed recipe do, over all seeds; the strategies' discards are not known.

    Args:
      arms: all of the recipe.
      chosen: of them; what they share counts once.
      sizes: "classes", "target_videos" (clips of an epoch of teacher and fine-tuning), "test_videos", and "web_clips"
        where there is no quota, "web_classes" where these are not the target's; None for what the gin files say.

    Raises:
      UserError: nothing says the number of classes, videos or web clips.
    """
    from spl_tf import configuration
    from spl_tf.experiment.shared import PREDICTIONS, WEB, arm_of_network, asks_for_network, shared_places
    from spl_tf.training.identity import stage_settings

    places = shared_places(arms)
    # Estimating a noise matrix takes a network of cross-entropy, mostly another arm's.
    networks = {arm: arm_of_network(arms, arm) or arm for arm in chosen if asks_for_network(arm)}
    pretrained = [*(arm for arm in chosen if arm.pretrains), *(arm for arm in networks.values() if arm not in chosen)]
    pretrained += [arm for arm, network in networks.items() if network == arm]
    seeds = len(_value("recipe.seeds", "", (0,)))
    counted = set()
    parts = []

    def add(name: str, gigamacs: float, number: float, passes: float, once: object = None) -> None:
        if once is None or once not in counted:
            counted.add(once)
            parts.append(Part(name, gigamacs, number * seeds, passes))

    def add_test(gigamacs: float, once: object = None) -> None:
        views = math.prod(_value(f"evaluate_model.{name}", "finetune", 1) for name in ("num_views", "num_crops"))
        add("test", gigamacs, _size("test_videos", sizes), views, once and ("test", once))

    def on_target(stage: str, init_weights: object) -> object:
        """What training on the target set from given weights depends on, apart from the seed."""
        return tuple(sorted(stage_settings(stage).items())), init_weights

    for arm in chosen:
        if arm.self_supervised:
            with configuration.overridden(arm.bindings):
                on_web = arm.self_supervised == "web"
                number = _web_clips(arm, sizes) if on_web else _size("target_videos", sizes)
                once = tuple(sorted(stage_settings("selfsup").items())), arm.init_weights, on_web and places[arm][WEB]
                add("self-supervised", _gigamacs("selfsup")[0], number, _views() * _steps("selfsup"), once)
    for arm in pretrained:
        with configuration.overridden(arm.bindings):
            trained, tested = _gigamacs()
            web, place = _web_clips(arm, sizes), places[arm]
            if arm.asks_predictions:
                teacher = on_target("teacher", _value("recipe.init_weights", "", None))
                add("teacher", trained, _size("target_videos", sizes), _steps("teacher"), teacher)
                add_test(tested, teacher)
                own = arm if arm.round > 1 else place[PREDICTIONS]
                add("prediction", trained, web, 1, (PREDICTIONS, own))
            add("pre-training", trained, web, _steps("pretrain"))
    for arm in chosen:
        with configuration.overridden(arm.bindings):
            trained, tested = _gigamacs()
            alone = None if arm.pretrains or arm.self_supervised else on_target("finetune", arm.init_weights)
            add("fine-tuning", trained, _size("target_videos", sizes), _steps("finetune"), alone)
            add_test(tested, alone)
    return _merged(parts)


def _merged(parts: Sequence[Part]) -> list[Part]:
    """One part for all that is of one name and one cost a clip, in the order of the recipe."""
    clips: dict[tuple[str, float, float], float] = collections.Counter()
    for part in parts:
        clips[part.name, part.gigamacs, part.passes] += part.clips
    merged = [Part(name, gigamacs, number, passes) for (name, gigamacs, passes), number in clips.items()]
    return sorted(merged, key=lambda part: _PARTS.index(part.name))


def _web_clips(arm: "Arm", sizes: Mapping[str, int | None]) -> int:
    from spl_tf.errors import UserError

    of_its_own = _value("video_folder.web_classes", "", None) is not None
    num_classes = _size("web_classes" if of_its_own else "classes", sizes)
    if arm.web_clips_per_class is not None:
        return arm.web_clips_per_class * num_classes
    if found := _size("web_clips", sizes, 0):
        return found
    raise UserError("the number of web clips is not known: set recipe.web_clips_per_class or --web_clips")


def _steps(stage: str) -> float:
    """Passes over the clips, each step one forward and two backward."""
    return _BACKWARD_AND_FORWARD * _value("train_stage.epochs", stage)


def _size(name: str, sizes: Mapping[str, int | None], *default: int) -> int:
    """Of the data: as given, or the recipe's macro of that name, or a default."""
    import gin

    from spl_tf.errors import UserError

    if (given := sizes.get(name)) is not None:
        return given
    try:
        return gin.query_parameter(f"%{name.upper()}")
    except ValueError as error:
        if default:
            return default[0]
        raise UserError(f"--{name} missing: the gin files have no macro {name.upper()} either") from error


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


def _views() -> int:
    """Of a clip, that self-supervised learning sees at once."""
    import gin

    with gin.config_scope("selfsup"):
        return gin.get_bindings("train_stage")["objective"]().views.num_views


def _gigamacs(stage: str = "pretrain") -> tuple[float, float]:
    """Multiply-adds of the backbone for a training clip and for a test view, in 1e9."""
    from spl_tf import configuration

    frames, crop = (_value(f"train_stage.{name}", stage) for name in ("num_frames", "crop_size"))
    test_frames = _value("evaluate_model.num_frames", "finetune", None) or frames
    test_crop = _value("evaluate_model.crop_size", "finetune", None) or crop
    network = configuration.stage_bindings(stage)
    # All that may say something to a backbone; building one takes seconds, and most arms have the same.
    key = tuple(sorted(item for item in network.items() if not item[0].startswith(_NO_NETWORK)))
    return _measured(key, (frames, crop), (test_frames, test_crop))


@functools.lru_cache
def _measured(network: tuple[tuple[str, str], ...], *views: tuple[int, int]) -> tuple[float, ...]:
    """The same for views of so many frames and pixels, under the configuration that `network` is a key of."""
    import gin

    from spl_tf.models.cost import gflops_per_clip
    from spl_tf.models.resnet3d import resnet3d

    with gin.config_scope("pretrain"):
        backbone = gin.get_bindings("train_stage").get("backbone", resnet3d)()
    return tuple(gflops_per_clip(backbone, (frames, side, side, 3)) for frames, side in views)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
