"""Weights of a network over images as the start of a network over clips (inflated) or over images.

  python -m tools.convert.inflate --weights=imagenet --output=inflated.weights.h5 --gin_file=ucf6.gin
      --gin_param="resnet3d.depth = 50" --gin_param="resnet3d.stride_in = '1x1'"
      --gin_param="resnet3d.border_color = (123.68, 116.779, 103.939)"

Then train with the same options of resnet3d and

  --gin_param="train_stage.init_weights = 'inflated.weights.h5'"

--weights with --from=keras (default):

  imagenet     keras.applications.ResNet50, or ResNet101 for resnet3d.depth = 101; Keras downloads it
  a file       .weights.h5, .h5 or .keras of such a network, with or without its classifier, also as a
               part of a larger model; layers are found by name

With --from=spl_tf, backbone.weights.h5 of a stage of spl_tf.train whose network looked at single images,
train_stage.num_frames = 1:

  resnet2d, or resnet3d.temporal_kernels = [[1], [1], [1], [1]] and resnet3d.stem_kernel = (1, 7, 7)

The network written is train_stage.backbone of the given gin files and bindings, resnet3d or resnet2d; --stage
enters a stage's scope as in spl_tf.train. A network over images takes the weights as they are:

  python -m tools.convert.inflate --weights=imagenet --output=resnet50.weights.h5
      --gin_param="train_stage.backbone = @resnet2d" --gin_param="resnet2d.form = 'v1'"
      --gin_param="resnet2d.border_color = (123.68, 116.779, 103.939)"

In resnet3d every kernel gets its temporal extent: --kernels=averaged spreads it evenly over its frames,
--kernels=centred puts it into the middle one. On a clip of equal frames the video network then computes
what the network over images computes on one of them. Three things to know, more in the README beside:

  resnet3d.stride_in     keras.applications halves the size in the 1x1 convolutions, the paper's network in
                         the 3x3 ones. The file is the same for both; only with '1x1' the features are
                         (resnet2d.form = 'v1').
  resnet3d.border_color  as above, the features are exact at the borders of the pictures too.
  gates                  an image network has none: their initial values, drawn with --seed, are written
                         with the rest, so that the file fits without train_stage.allow_unmatched.
"""

import pathlib

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError

FLAGS = flags.FlagValues()
command.define_gin_flags(FLAGS)
flags.DEFINE_string("weights", None, "Weights of a network over images: a file, or imagenet.", flag_values=FLAGS)
flags.DEFINE_enum("from", "keras", ["keras", "spl_tf"], "Where the weights come from.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "File to write, a backbone.weights.h5.", flag_values=FLAGS)
flags.DEFINE_enum("kernels", "averaged", ["averaged", "centred"], "How kernels get their frames.", flag_values=FLAGS)
command.define_stage_flag(FLAGS)
flags.DEFINE_integer("seed", 0, "Of the gates' initial values.", lower_bound=0, flag_values=FLAGS)
flags.mark_flags_as_required(["weights", "output"], flag_values=FLAGS)


def main() -> None:
    command.parse_gin(FLAGS)
    import gin
    import keras

    from spl_tf import configuration
    from spl_tf.models.inflation import from_applications, inflate, temporal_radius
    from spl_tf.models.transfer import read_backbone_weights, save_backbone_weights

    bound = configuration.stage_bindings(FLAGS.stage or "").get("train_stage.backbone", "@resnet3d")
    if bound not in ("@resnet3d", "@resnet2d"):
        raise UserError(f"train_stage.backbone = {bound}: only networks of resnet3d and resnet2d take such weights")
    keras.utils.set_random_seed(FLAGS.seed)
    with gin.config_scope(FLAGS.stage):
        backbone = gin.get_configurable(bound.removeprefix("@"))()
    source = FLAGS.weights
    weights = read_backbone_weights(source) if FLAGS["from"].value == "spl_tf" else _keras_weights(source, backbone)
    try:
        if FLAGS["from"].value == "keras":
            weights = from_applications(weights, backbone.get_layer("stem_conv_bn").epsilon)
        kept = inflate(backbone, weights, FLAGS.kernels)
    except UserError as error:
        raise UserError(f"{source}: {error}") from error
    save_backbone_weights(backbone, FLAGS.output)
    over_time = f", {FLAGS.kernels} over time" if temporal_radius(backbone) else ""
    print(f"{FLAGS.output}: {len(weights)} variables of {source}{over_time}")
    if kept:
        print(f"what a 2-D network does not have starts anew (gates, non-local blocks): {len(kept)} variables")
    print(_features(backbone, FLAGS.kernels, from_keras=FLAGS["from"].value == "keras"))


def _features(backbone: "keras.Model", kernels: str, from_keras: bool) -> str:  # noqa: F821
    """What the network computes on images or equal frames."""
    from spl_tf.models.gating import SelfGating
    from spl_tf.models.inflation import temporal_radius

    strided = {layer.name for layer in backbone.layers if max(getattr(layer, "strides", (1,))) > 1}
    others = []
    if any(isinstance(layer, SelfGating) for layer in backbone.layers):
        others.append("has gates")
    if from_keras and "res3_block1_conv1" not in strided:
        others.append("has form = 'v1.5'" if backbone.name == "resnet2d" else "has stride_in = '3x3'")
    if others:
        return f"its features are not yet those of the 2-D network: it {' and '.join(others)}"
    if not temporal_radius(backbone):
        return "its features are those of the 2-D network (README: border_color)"
    frames = "all frames"
    if kernels == "averaged":
        shortens = any(backbone.get_layer(name).strides[0] > 1 for name in strided)
        count = "some" if shortens else temporal_radius(backbone)
        frames = f"all frames but {count} at either end"
    return f"of equal frames {frames} give the 2-D network's features (README: border_color)"


def _keras_weights(source: str, backbone: "keras.Model") -> "dict[str, np.ndarray]":  # noqa: F821  Imported where needed.
    """Weights of the network of keras.applications that has the backbone's depth, by layer and variable."""
    from tools.convert.applications import download_imagenet, read_weights

    layers = {layer.name for layer in backbone.layers}
    if "res2_block1_conv3" not in layers:
        raise UserError(f"ResNet50 and ResNet101 have bottleneck blocks: set {backbone.name}.depth = 50 or 101")
    if source == "imagenet":
        return download_imagenet(101 if "res4_block23_conv1" in layers else 50)
    return read_weights(pathlib.Path(source))


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
