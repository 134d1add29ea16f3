"""Brings the weights of other projects' networks over clips into ours.

  python -m tools.convert.video --network=torchvision_r3d_18 --weights=r3d_18.pth --output_dir=r3d_18
      --classes=kinetics400.txt

--network is one of

  torchvision_r3d_18, torchvision_r2plus1d_18   a state_dict that torch.save wrote; needs PyTorch
  pytorchvideo_slow_r50, pytorchvideo_i3d_r50   the same
  model_garden_resnet3d_50                      prefix of a checkpoint of TensorFlow, e.g. ckpt-1000

and --output_dir gets

  backbone.weights.h5          for train_stage.init_weights
  network.gin                  the network, for --gin_file of the training that starts from it
  folded.keras, model.json     with --classes, a text file with the name of a class per line: the whole
                               network with its head, for --model_dir of spl_tf.predict, evaluate, export

On the same clip, in 0..255, the logits are those of the original, to rounding: the other range of its
input goes into the first convolution, and the colour its zeros around a clip stand for into border_color.
--gin_param changes the network where the original differs from the published one, e.g.
--gin_param="resnet3d.gating = 'stage'" for Model Garden's use_self_gating.
"""

import pathlib
from collections.abc import Mapping

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
flags.DEFINE_string("network", None, "Network the weights belong to.", flag_values=FLAGS)
flags.DEFINE_string("weights", None, "File of weights, or prefix of a checkpoint.", flag_values=FLAGS)
flags.DEFINE_string("output_dir", None, "Folder the files are written to.", flag_values=FLAGS)
flags.DEFINE_string("classes", None, "Text file with the names of the head's classes in order.", flag_values=FLAGS)
flags.DEFINE_multi_string("gin_param", [], "gin binding, repeatable.", flag_values=FLAGS)
flags.mark_flags_as_required(["network", "weights", "output_dir"], flag_values=FLAGS)


def main() -> None:
    from spl_tf import configurables, configuration, files  # noqa: F401  The first registers what gin may name.
    from spl_tf.errors import UserError
    from spl_tf.inference.trained_model import folded_for_storage, save_trained
    from spl_tf.models.classifier import backbone_of
    from spl_tf.models.transfer import save_backbone_weights
    from tools.convert.sources import SOURCES
    from tools.convert.weight_files import read_checkpoint, read_class_names, read_state_dict

    source = SOURCES.get(FLAGS.network)
    if source is None:
        raise UserError(f"--network={FLAGS.network}: choose one of {', '.join(SOURCES)}")
    path, folder = pathlib.Path(FLAGS.weights), pathlib.Path(FLAGS.output_dir)
    classes = read_class_names(FLAGS.classes) if FLAGS.classes else ()
    border = tuple(round(value, 4) for value in source.mean)
    bindings = [*source.bindings, f"{source.network}.border_color = {border}", *FLAGS.gin_param]
    configuration.parse([], bindings)
    theirs = read_state_dict(path) if source.framework == "torch" else read_checkpoint(path)
    try:
        network = converted(source, theirs)
    except UserError as error:
        raise UserError(f"{path}: {error}: name the --network it is of") from error
    head = network.get_layer("logits").units if "logits" in {layer.name for layer in network.layers} else 0
    if classes and len(classes) != head:
        raise UserError(f"{FLAGS.classes} has {len(classes)} names, the head of {path} {head} classes")
    folder.mkdir(parents=True, exist_ok=True)
    save_backbone_weights(backbone_of(network) if head else network, folder / "backbone.weights.h5")
    lines = [
        f"# {FLAGS.network}, the network of backbone.weights.h5 beside.",
        f"train_stage.backbone = @{source.network}",
    ]
    files.write_text(folder / "network.gin", "\n".join([*lines, *bindings]) + "\n")
    print(f"{folder}: {len(theirs)} variables of {path} as backbone.weights.h5 and network.gin", end="")
    if classes:
        folded = folded_for_storage(network, lambda: build(source, head, folded=True))
        save_trained(folder, folded, classes, source.clip_input)
        print(", with its head as folded.keras and model.json", end="")
    print()


def converted(source: "Source", theirs: "Mapping[str, np.ndarray]") -> "keras.Model":  # noqa: F821
    """Our network with their weights: a classifier if they have a head, else a backbone.

    Raises:
      UserError: they are the weights of another network.
    """
    import numpy as np

    from spl_tf.input_range import absorb_range
    from spl_tf.models.transfer import assign_weights

    weights = source.ours(theirs)
    network = build(source, weights["logits/bias"].size if "logits/bias" in weights else 0)
    kernel, mean = f"{source.stem}/kernel", f"{source.stem}_bn/moving_mean"
    shapes = {variable.path: tuple(variable.shape) for variable in network.weights}
    if all(path in weights and weights[path].shape == shapes[path] for path in (kernel, mean)):
        absorbed, bias = absorb_range(weights[kernel].astype(np.float64), source.mean, source.deviation)
        weights |= {kernel: absorbed, mean: weights[mean] - bias}
    assign_weights(network, weights)
    return network


def build(source: "Source", num_classes: int, *, folded: bool = False) -> "keras.Model":  # noqa: F821
    """The network that the current gin configuration describes, without a head for 0 classes."""
    import gin

    from spl_tf.models.classifier import classifier

    backbone = gin.get_configurable(source.network)(folded=folded)
    return classifier(backbone, num_classes, dropout=0.0) if num_classes else backbone


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
