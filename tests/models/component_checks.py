"""What every layer and network must do: survive its config and its file, infer its shapes, learn, run in bfloat16.

A test case inherits `ComponentTestCase` and calls `check_layer` or `check_network`; `test_components` does
so for all of the package. What a component computes is tested beside it.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.models.folding import fold_into
from spl_tf.models.style import network_style
from tests.models.random_values import random_clips, randomize

_WEIGHT_DECAY = 0.5
# Largest differences, of the largest value.
_EXACT = 1e-5  # float32, summed in another order.
_BFLOAT16_LAYER = 0.05  # 8 bits of mantissa, a few operations.
_BFLOAT16_NETWORK = 0.1  # Dozens of layers.


class ComponentTestCase(parameterized.TestCase, tf.test.TestCase):
    def check_layer(
        self, layer_class: type[keras.Layer], options: dict, *inputs: np.ndarray, training: bool = False
    ) -> None:
        """Config, shapes, file, gradients against differences of the values, and bfloat16 of a layer.

        Args:
          layer_class: registered with Keras.
          options: all arguments of its constructor, with other values than their
            defaults: one that the config forgets would come back as its default.
          inputs: float32; several for a layer that takes a list.
          training: the mode in which it is called.
        """
        layer = layer_class(**options, name="layer")
        model = _around(layer, inputs)
        randomize(model)
        self._check_config(layer, options)
        outputs = self._check_shapes(model, layer.compute_output_shape, inputs)
        self._check_file(model, inputs)
        low = _around(layer_class.from_config({**layer.get_config(), "dtype": "mixed_bfloat16"}), inputs)
        self._check_bfloat16(low, model, inputs, outputs, _BFLOAT16_LAYER)
        self._check_gradients(model, inputs, training=training)
        self._check_differences(model, inputs, training=training)

    def check_network(self, build: Callable[..., keras.Model], *shapes: tuple[int, ...], is_first: bool = True) -> None:
        """Weight decay, shapes, folded form and gradients of a network; of a builder's first also file and bfloat16.

        Args:
          build: a builder with its options; it takes `style` and `folded`.
          shapes: of clips, [B, T, H, W, 3]. The first is for what one shape shows.
          is_first: False: its layers were written to a file and run in bfloat16 already, in a network of this builder
            or alone.
        """
        style = network_style(weight_decay=_WEIGHT_DECAY)
        model = build(style=style)
        randomize(model)
        self._check_weight_decay(model)
        clips, *others = ([random_clips(*shape)] for shape in shapes)
        outputs = self._check_shapes(model, model.compute_output_shape, clips, *others)
        self._check_folded(model, build(style=style, folded=True), clips, outputs)
        if is_first:
            self._check_file(model, clips)
            with _dtype_policy("mixed_bfloat16"):
                low = build(style=style)
            self._check_bfloat16(low, model, clips, outputs, _BFLOAT16_NETWORK)
            self._check_gradients(low, clips, training=True)
        self._check_gradients(model, clips, training=True)

    def _check_config(self, layer: keras.Layer, options: dict) -> None:
        config, layer_class = layer.get_config(), type(layer)
        for argument in _arguments(layer_class):
            self.assertIn(argument.name, options, f"the check of {layer_class.__name__} needs a value for it")
            self.assertNotEqual(options[argument.name], argument.default, f"{argument.name}: choose another value")
        for name, value in options.items():
            self.assertIn(name, config, f"get_config of {layer_class.__name__} forgets it")
            plain = keras.saving.serialize_keras_object(value) if hasattr(value, "get_config") else value
            self.assertEqual(config[name], plain, name)
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        for copy in (layer_class.from_config(config), again):
            self.assertIs(type(copy), layer_class)
            self.assertEqual(copy.get_config(), config)

    def _check_shapes(self, model: keras.Model, infer: Callable, *examples: Sequence[np.ndarray]) -> np.ndarray:
        """Shapes are those inferred, from whole and from unknown sizes; returns the outputs for the first example."""
        unknown = [(*[None] * (value.ndim - 1), value.shape[-1]) for value in examples[0]]
        compiled = tf.function(
            lambda *values: model(_one_or_list(values)),
            [tf.TensorSpec(shape, tf.float32) for shape in unknown],
            autograph=False,
        )
        outputs = [model(_one_or_list(inputs)) for inputs in examples]
        for inputs, found in zip(examples, outputs, strict=True):
            self.assertEqual(tuple(infer(_one_or_list([value.shape for value in inputs]))), tuple(found.shape))
            for shape in (infer(_one_or_list(unknown)), model.output_shape):
                self.assertIsNone(shape[0])
                self.assertTrue(found.shape.is_compatible_with(shape), f"{shape} was inferred for {found.shape}")
            self._assert_near(compiled(*map(tf.constant, inputs)), found, _EXACT)
        return outputs[0].numpy()

    def _check_file(self, model: keras.Model, inputs: Sequence[np.ndarray]) -> None:
        path = f"{self.create_tempdir().full_path}/model.keras"
        model.save(path)
        loaded = keras.saving.load_model(path)
        self.assertEqual([variable.path for variable in loaded.weights], [variable.path for variable in model.weights])
        configs = [[layer.get_config() for layer in network.layers] for network in (loaded, model)]
        self.assertEqual(*configs)
        self.assertAllEqual(loaded(_one_or_list(inputs)), model(_one_or_list(inputs)))

    def _check_folded(
        self, model: keras.Model, folded: keras.Model, clips: Sequence[np.ndarray], outputs: np.ndarray
    ) -> None:
        fold_into(model, folded)
        self.assertFalse([variable.path for variable in folded.weights if "_bn/" in variable.path])
        self._assert_near(folded(clips[0]), outputs, _EXACT)

    def _check_weight_decay(self, model: keras.Model) -> None:
        kernels = [variable.numpy() for variable in model.trainable_weights if variable.name == "kernel"]
        expected = sum(_WEIGHT_DECAY / 2 * np.sum(np.square(kernel, dtype=np.float64)) for kernel in kernels)
        self.assertAllClose(tf.add_n(model.losses), expected, rtol=1e-5)

    def _check_gradients(self, model: keras.Model, inputs: Sequence[np.ndarray], *, training: bool) -> None:
        """Each input and trainable variable has a finite gradient that is not zero."""
        for name, gradient in _gradients(model, inputs, training).items():
            self.assertIsNotNone(gradient, f"{name} gets no gradient")
            self.assertTrue(np.all(np.isfinite(gradient)), f"the gradient of {name} is not finite")
            self.assertGreater(np.max(np.abs(gradient)), 0.0, f"the gradient of {name} is zero")

    def _check_differences(self, model: keras.Model, inputs: Sequence[np.ndarray], *, training: bool) -> None:
        """Each gradient, along a random direction, is what the values differ by on both sides."""
        random, step = np.random.default_rng(3), 1e-3
        gradients = _gradients(model, inputs, training)
        for name, gradient in gradients.items():
            direction = random.choice([-step, step], gradient.shape).astype(np.float32)
            ends = [_loss_beside(model, inputs, training, name, sign * direction) for sign in (1, -1)]
            expected = np.sum(gradient * direction) / step
            self.assertAllClose((ends[0] - ends[1]) / (2 * step), expected, 0, 0.01 * np.linalg.norm(gradient), name)

    def _check_bfloat16(
        self,
        low: keras.Model,
        model: keras.Model,
        inputs: Sequence[np.ndarray],
        outputs: np.ndarray,
        tolerance: float,
    ) -> None:
        low.set_weights(model.get_weights())
        self.assertNoCommonElements({variable.dtype for variable in low.weights}, {"bfloat16"})
        found = low(_one_or_list(inputs))
        self.assertEqual(found.dtype, tf.bfloat16)
        self._assert_near(tf.cast(found, tf.float32), outputs, tolerance)

    def _assert_near(self, found, expected, tolerance: float) -> None:
        self.assertAllClose(found, expected, 0.0, tolerance * np.max(np.abs(expected)))


def _around(layer: keras.Layer, inputs: Sequence[np.ndarray]) -> keras.Model:
    """The layer as a model for inputs of any size."""
    symbolic = [keras.Input((*[None] * (value.ndim - 2), value.shape[-1])) for value in inputs]
    symbolic = _one_or_list(symbolic)
    return keras.Model(symbolic, layer(symbolic))


def _one_or_list(values: Sequence):
    return values[0] if len(values) == 1 else list(values)


def _arguments(layer_class: type[keras.Layer]) -> list[inspect.Parameter]:
    """Those of a constructor of its own; a layer that has Keras' has Keras' get_config too."""
    if "__init__" not in vars(layer_class):
        return []
    _, *parameters = inspect.signature(layer_class.__init__).parameters.values()
    return [parameter for parameter in parameters if parameter.kind is not inspect.Parameter.VAR_KEYWORD]


def _loss(model: keras.Model, inputs: Sequence, training: bool) -> tf.Tensor:
    """Outputs summed with random weights, in float64."""
    outputs = tf.cast(model(_one_or_list(inputs), training=training), tf.float64)
    return tf.reduce_sum(outputs * np.random.default_rng(2).normal(size=outputs.shape))


def _gradients(model: keras.Model, inputs: Sequence[np.ndarray], training: bool) -> dict[str, np.ndarray | None]:
    """Of inputs ("input 0", ...) and trainable variables, by path."""
    sources = {f"input {number}": tf.constant(value) for number, value in enumerate(inputs)}
    with tf.GradientTape() as tape:
        tape.watch(list(sources.values()))
        loss = _loss(model, list(sources.values()), training)
    sources |= {variable.path: variable.value for variable in model.trainable_weights}
    gradients = tape.gradient(loss, sources)
    return {name: None if gradient is None else np.asarray(gradient) for name, gradient in gradients.items()}


def _loss_beside(
    model: keras.Model, inputs: Sequence[np.ndarray], training: bool, name: str, change: np.ndarray
) -> float:
    """The loss with one input or variable changed."""
    inputs = [value + change if name == f"input {number}" else value for number, value in enumerate(inputs)]
    variable = next((variable for variable in model.weights if variable.path == name), None)
    if variable is None:
        return float(_loss(model, inputs, training))
    before = variable.numpy()
    variable.assign(before + change)
    loss = float(_loss(model, inputs, training))
    variable.assign(before)
    return loss


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
