"""Compares our 3D ResNet-50 with TF Model Garden's, which shares no code with it.

Needs the extra `modelgarden` (tf-models-official, built on tf_keras) in an
environment of its own. Model Garden's network gets random weights, ours gets
copies, both see the same random clips:

    python -m tools.parity.model_garden --results=tools/parity/RESULTS.md
"""

import datetime
import importlib.metadata

import keras
import numpy as np
import tf_keras
from absl import flags
from official.vision.modeling import video_classification_model
from official.vision.modeling.backbones import resnet_3d
from official.vision.modeling.layers import nn_blocks_3d

from spl_tf import command, files
from spl_tf.models.classifier import classifier
from spl_tf.models.resnet3d import resnet3d
from spl_tf.models.style import network_style

FLAGS = flags.FlagValues()
flags.DEFINE_string("results", None, "Markdown file the table is written to.", flag_values=FLAGS)

TOLERANCE = 1e-4  # Of the largest value: float32 rounding through 53 convolutions, summed in another order.
NUM_CLASSES = 12
EPSILON = 1e-5
TABLE7_KERNELS = ((3, 3, 3), (3, 1, 3, 1), (3, 1, 3, 1, 3, 1), (3, 1, 3))
THEIR_KERNELS = (*TABLE7_KERNELS[:3], (1, 3, 1))

# Configuration: temporal kernels, temporal stride of stem convolution and pool, gates.
CONFIGURATIONS = {
    "Model Garden's default, gates": (THEIR_KERNELS, 2, True),
    "Model Garden's default, no gates": (THEIR_KERNELS, 2, False),
    "table 7 (time kept), gates": (TABLE7_KERNELS, 1, True),
    "table 7 (time kept), no gates": (TABLE7_KERNELS, 1, False),
}
CLIP_SHAPES = ((2, 16, 64, 64, 3), (2, 9, 75, 61, 3))


def build_theirs(kernels, temporal_stride: int, gated: bool, num_classes: int = NUM_CLASSES) -> tf_keras.Model:
    backbone = resnet_3d.ResNet3D(
        model_id=50,
        temporal_strides=[1, 1, 1, 1],
        temporal_kernel_sizes=kernels,
        use_self_gating=[gated] * 4,
        stem_conv_temporal_stride=temporal_stride,
        stem_pool_temporal_stride=temporal_stride,
        norm_momentum=0.9,
        norm_epsilon=EPSILON,
    )
    return video_classification_model.VideoClassificationModel(backbone, num_classes)


def build_ours(kernels, temporal_stride: int, gated: bool) -> keras.Model:
    backbone = resnet3d(
        50,
        temporal_kernels=kernels,
        gating="stage" if gated else "none",
        gate_position="residual_branch",
        stem_strides=(temporal_stride, 2, 2),
        pool_kernel=(1 if temporal_stride == 1 else 3, 3, 3),
        pool_strides=(temporal_stride, 2, 2),
        padding="same",
        style=network_style(bn_epsilon=EPSILON),
    )
    return classifier(backbone, NUM_CLASSES, dropout=0.0)


def draw_weights(model: tf_keras.Model, random: np.random.Generator) -> None:
    """Sets all normalizations, gates and biases to random values; convolutions keep their random start."""
    for variable in model.variables:
        name = variable.name.split("/")[-1].split(":")[0]
        if name in ("gamma", "moving_variance"):
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif name in ("beta", "moving_mean", "bias"):
            variable.assign(random.normal(0.0, 0.3, variable.shape))
        elif "self_gating" in variable.name:
            variable.assign(random.normal(0.0, 0.1, variable.shape))


def copy_weights(theirs: tf_keras.Model, ours: keras.Model) -> dict[str, tf_keras.layers.Layer]:
    """Copies every weight; `set_weights` fails where two layers differ in shape.

    Returns:
      Model Garden's normalizations by the name of ours.
    """
    normalizations = {}
    remaining = {layer.name for layer in ours.layers if layer.weights}

    def copy(source: tf_keras.layers.Layer, name: str) -> None:
        ours.get_layer(name).set_weights(source.get_weights())
        remaining.remove(name)

    def copy_convolution(convolution, normalization, name: str) -> None:
        copy(convolution, name)
        copy(normalization, f"{name}_bn")
        normalizations[f"{name}_bn"] = normalization

    stem = [layer for layer in theirs.backbone.layers if layer.weights][:2]
    copy_convolution(*stem, "stem_conv")
    found = (layer for layer in theirs.backbone.layers if isinstance(layer, nn_blocks_3d.BottleneckBlock3D))
    for stage, count in enumerate((3, 4, 6, 3), start=2):
        for number in range(1, count + 1):
            block, name = next(found), f"res{stage}_block{number}"
            copy_convolution(block._temporal_conv, block._norm1, f"{name}_conv1")
            copy_convolution(block._spatial_conv, block._norm2, f"{name}_conv2")
            copy_convolution(block._expand_conv, block._norm3, f"{name}_conv3")
            if number == 1:
                copy_convolution(block._shortcut_conv, block._norm0, f"{name}_shortcut")
            if block._self_gating is not None:
                kernel, bias = block._self_gating._transformer_w.get_weights()
                ours.get_layer(f"{name}_gate").set_weights([kernel[0, 0, 0], bias])
                remaining.remove(f"{name}_gate")
    copy(theirs.layers[-1], "logits")
    if remaining:
        raise ValueError(f"no weights were copied to {sorted(remaining)}")
    return normalizations


def difference(first, second) -> float:
    """Largest absolute difference, relative to the largest value."""
    first, second = np.asarray(first), np.asarray(second)
    return float(np.abs(first - second).max() / np.abs(second).max())


def compare(theirs: tf_keras.Model, ours: keras.Model, clips: np.ndarray) -> dict[str, float]:
    """Copies the weights and runs both networks, first as in inference, then as in training."""
    normalizations = copy_weights(theirs, ours)
    our_map = keras.Model(ours.input, ours.get_layer("pooling").input)
    differences = {
        "feature map": difference(our_map(clips), theirs.backbone(clips)["5"]),
        "logits": difference(ours(clips)["logits"], theirs({"image": clips})),
        "logits, training": difference(ours(clips, training=True)["logits"], theirs({"image": clips}, training=True)),
    }
    our_means = [ours.get_layer(name).moving_mean for name in normalizations]
    their_means = [layer.moving_mean for layer in normalizations.values()]
    differences["moving means"] = difference(np.concatenate(our_means), np.concatenate(their_means))
    return differences


def main() -> int:
    versions = {name: importlib.metadata.version(name) for name in ("tf-models-official", "tensorflow", "keras")}
    rows, worst = [], 0.0
    for configuration, options in CONFIGURATIONS.items():
        for shape in CLIP_SHAPES:
            random = np.random.default_rng(0)
            keras.utils.set_random_seed(0)
            theirs, ours = build_theirs(*options), build_ours(*options)
            draw_weights(theirs, random)
            differences = compare(theirs, ours, random.normal(size=shape).astype(np.float32))
            worst = float(np.max([worst, *differences.values()]))  # Unlike max, NaN where one is NaN.
            cells = [configuration, " x ".join(map(str, shape)), *(f"{value:.1e}" for value in differences.values())]
            rows.append(f"| {' | '.join(cells)} |")
            print(rows[-1], flush=True)
    header = ["configuration", "clips", *differences]
    table = [f"| {' | '.join(header)} |", "|" + "---|" * len(header), *rows]
    if FLAGS.results:
        stamp = f"{datetime.date.today()}, " + ", ".join(f"{name} {version}" for name, version in versions.items())
        intro = (
            "# 3D ResNet-50 against TF Model Garden\n\n"
            "`python -m tools.parity.model_garden`: largest absolute difference over the largest value, float32, CPU"
        )
        files.write_text(FLAGS.results, f"{intro}\n({stamp}).\n\n" + "\n".join(table) + "\n")
    print(f"largest difference {worst:.1e}, allowed {TOLERANCE:.0e}")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
