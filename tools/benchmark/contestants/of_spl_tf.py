"""This package, its network in OpenVINO, or one of Keras' own layers under `fit` and `predict_on_batch`.

python -m tools.benchmark.contestants.of_spl_tf r3d50g training float32 spl_tf
"""

import sys
from collections.abc import Callable

from absl import flags

from spl_tf import command
from tools.benchmark.contest import serve
from tools.benchmark.network_sizes import CLASSES, MATRIX_SIDE, SIZES, Size

FLAGS = flags.FlagValues()


def main() -> None:
    name, work, precision, form = sys.argv[1:]
    import keras
    import tensorflow as tf

    framework = f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
    if form == "matrices":
        serve(f"product of matrices, {framework}, {precision}", _product(precision))
        return
    if form.startswith("openvino"):
        title, run = _by_openvino(name, SIZES[name], "int8" if form.endswith("int8") else precision)
        serve(title, run)
        return
    keras.mixed_precision.set_dtype_policy({"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision])
    calls = {"spl_tf": (_training, _inference), "keras": (_keras_training, _keras_inference)}
    call, parameters = calls[form][work == "inference"](name, SIZES[name])
    serve(f"{form}, {framework}, {precision}, {parameters:,} parameters", call)


def network_of(name: str, folded: bool = False):
    """With its head, of the style that training has."""
    from spl_tf.models.classifier import classifier
    from spl_tf.models.r2plus1d import r2plus1d, r3d
    from spl_tf.models.resnet3d import resnet3d
    from spl_tf.models.style import Style

    style = Style(1e-4, None, None, False)
    builders: dict[str, Callable] = {
        "r3d50g": lambda: resnet3d(style=style, folded=folded),
        "r3d18": lambda: r3d(form="torchvision", style=style, folded=folded),
        "r2plus1d18": lambda: r2plus1d(form="torchvision", style=style, folded=folded),
        "ucf6": lambda: resnet3d(
            10, width_multiplier=0.5, stem_kernel=(3, 5, 5), gating="none", style=style, folded=folded
        ),
    }
    dropout = 0.0 if name in ("r3d18", "r2plus1d18") else 0.5  # torchvision's have none.
    return classifier(builders[name](), CLASSES, dropout=dropout, style=style)


def _training(name: str, size: Size) -> tuple[Callable, int]:
    """Steps of `train_stage`, which asks for deterministic kernels."""
    import keras
    import tensorflow as tf

    from spl_tf.losses.cross_entropy import softmax_cross_entropy
    from spl_tf.training.objectives.single_label import SingleLabel
    from spl_tf.training.state import create_state
    from spl_tf.training.step import make_train_steps

    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    network, strategy = network_of(name), tf.distribute.get_strategy()
    objective = SingleLabel(softmax_cross_entropy, None)
    state = create_state(network, keras.optimizers.SGD(1e-4, momentum=0.9, nesterov=True), objective)
    batch = {
        "clips": _clips(size),
        "color": tf.tile([[0.0, 1.0, 1.0, 0.0]], [size.clips, 1]),
        "labels": tf.zeros([size.clips], tf.int32),
        "weights": tf.ones([size.clips]),
        "index": tf.zeros([size.clips], tf.int64),
    }
    batches = iter(strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensors(batch).repeat()))
    steps = make_train_steps(state, strategy, objective, global_batch_size=size.clips)
    one = tf.constant(1)
    return lambda: steps(batches, one).sums["loss"].numpy(), _trained(network)


def _inference(name: str, size: Size) -> tuple[Callable, int]:
    """What `predict` calls on every batch."""
    import tensorflow as tf

    from spl_tf.inference.engine import tensorflow_run
    from spl_tf.labels.targets import SINGLE

    network, clips = network_of(name, folded=True), _clips(size)
    run = tensorflow_run(network, tf.distribute.get_strategy(), SINGLE)
    return lambda: run(clips), _trained(network)


def _product(precision: str) -> Callable:
    import tensorflow as tf

    matrix = tf.cast(tf.random.stateless_normal([MATRIX_SIDE, MATRIX_SIDE], [0, 1]), precision)
    product = tf.function(lambda one: tf.reduce_sum(tf.matmul(one, one)[0]), autograph=False)
    return lambda: product(matrix).numpy()


def _by_openvino(name: str, size: Size, precision: str) -> tuple[str, Callable]:
    """As `inference_engine.engine = @openvino` runs it; in 8 bits calibrated on chance, which costs as much."""
    import functools

    import numpy as np

    from spl_tf.inference.engine import scores_and_features
    from spl_tf.inference.openvino_engine import openvino
    from spl_tf.labels.targets import SINGLE

    engine, clips = openvino(precision=precision), _clips(size)
    some = np.random.default_rng(0).integers(0, 256, clips.shape, np.uint8)
    run = engine.compiled(
        functools.partial(scores_and_features, network_of(name, folded=True), SINGLE), some, size.clips
    )
    return engine.title(), lambda: run(clips)


def _keras_training(name: str, size: Size) -> tuple[Callable, int]:
    import keras
    import tensorflow as tf

    network = _of_stock_layers(network_of(name))
    logits = keras.Model(network.input, network.output["logits"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    logits.compile(keras.optimizers.SGD(1e-4, momentum=0.9, nesterov=True), loss)
    clips, labels = _floats(_clips(size)), tf.zeros([size.clips], tf.int32)
    return lambda: logits.train_on_batch(clips, labels), _trained(network)


def _keras_inference(name: str, size: Size) -> tuple[Callable, int]:
    network, clips = _of_stock_layers(network_of(name)), _clips(size)
    return lambda: network.predict_on_batch(_floats(clips)), _trained(network)


def _of_stock_layers(network):
    """Keras' own layers where this package has its own, but for the gates, which Keras has none of."""
    import keras

    stock = {
        "FusedBatchNorm": lambda layer: keras.layers.BatchNormalization(
            momentum=layer.momentum, epsilon=layer.epsilon, name=layer.name
        ),
        "SymmetricPadding": lambda layer: keras.layers.ZeroPadding3D(layer.margins, name=layer.name),
        "ClipConv3D": lambda layer: keras.layers.Conv3D.from_config(layer.get_config()),
        "ReplicaDropout": lambda layer: keras.layers.Dropout(layer.rate, name=layer.name),
    }

    def rebuilt(layer):
        kind = type(layer)
        return stock.get(kind.__name__, lambda layer: kind.from_config(layer.get_config()))(layer)

    return keras.models.clone_model(network, clone_function=rebuilt)


def _clips(size: Size):
    import tensorflow as tf

    return tf.zeros([size.clips, size.frames, size.side, size.side, 3], tf.uint8)


def _floats(clips):
    from spl_tf.data.input.preprocessing import normalize

    return normalize(clips)


def _trained(network) -> int:
    return sum(int(weight.shape.num_elements()) for weight in network.trainable_weights)


if __name__ == "__main__":
    command.execute(main, FLAGS, __doc__ or "", sys.argv[:1])
