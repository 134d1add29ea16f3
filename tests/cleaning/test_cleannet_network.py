"""CleanNet's encoders against numpy."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.cleaning.cleannet_network import ReferenceAttention, class_encoder, log_features, query_encoder


def dense(network, name, inputs):
    kernel, bias = network.get_layer(name).get_weights()
    return np.tanh(inputs @ kernel + bias)


def attend(values, keys, context):
    powers = np.exp(np.sum(keys * context, axis=-1))
    shares = powers / powers.sum(axis=-1, keepdims=True)
    return np.einsum("krd,kr->kd", values, shares)


class CleannetNetworkTest(parameterized.TestCase, tf.test.TestCase):
    def test_attention_and_its_gradient(self):
        generator = np.random.default_rng(0)
        values, keys = generator.normal(size=(2, 4, 5)), generator.normal(size=(2, 4, 3))
        layer = ReferenceAttention(dtype="float64")
        layer.build((values.shape, keys.shape))
        context = generator.normal(size=3)
        layer.context.assign(context)
        weights = generator.normal(size=(2, 5))  # Of the outputs in the number that is differentiated.
        inputs = [tf.constant(values), tf.constant(keys)]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs)
            total = tf.reduce_sum(outputs * weights)
        self.assertAllClose(outputs, attend(values, keys, context), rtol=1e-10)
        gradients = tape.gradient(total, [*inputs, layer.context.value])
        arguments = [values, keys, context]
        for place, gradient in enumerate(gradients):
            numeric = np.zeros_like(arguments[place])
            for index in np.ndindex(numeric.shape):
                ends = []
                for step in (1e-6, -1e-6):
                    moved = [argument.copy() for argument in arguments]
                    moved[place][index] += step
                    ends.append(np.sum(attend(*moved) * weights))
                numeric[index] = (ends[0] - ends[1]) / 2e-6
            self.assertAllClose(gradient, numeric, atol=1e-6)

    def test_equal_seeds_of_the_attention_begin_alike(self):
        layer = ReferenceAttention(seed=5, name="set")
        again = ReferenceAttention.from_config(layer.get_config())
        for one in (layer, again):
            one.build(((None, 4, 6), (None, 4, 3)))
        self.assertAllEqual(layer.context, again.context)

    def test_a_class_is_encoded_as_by_hand_whatever_the_order_of_its_references(self):
        network = class_encoder(7, 4, weight_decay=1e-4, seed=1)
        references = np.random.default_rng(0).random((3, 4, 7), dtype=np.float32)
        values = dense(network, "values", dense(network, "hidden", references))
        context = network.get_layer("attention").context.numpy()
        expected = dense(network, "code", attend(values, dense(network, "keys", values), context))
        codes = network(references)
        self.assertEqual(codes.shape, (3, 128))
        self.assertAllClose(codes, expected, atol=1e-5)
        self.assertAllClose(network(references[:, ::-1]), codes, atol=1e-6)

    def test_a_clip_is_encoded_and_decoded_as_by_hand(self):
        network = query_encoder(7, weight_decay=1e-4, seed=1)
        features = np.random.default_rng(0).random((3, 7), dtype=np.float32)
        code = dense(network, "code", dense(network, "hidden", features))
        outputs = network(features)
        self.assertAllClose(outputs["code"], code, atol=1e-5)
        decoded = dense(network, "reconstruction", dense(network, "decoder_hidden", code))
        self.assertAllClose(outputs["reconstruction"], decoded, atol=1e-5)

    def test_layers_have_the_published_width(self):
        units = {
            layer.name: layer.units
            for layer in class_encoder(7, 4, weight_decay=0.0, seed=0).layers[1:]
            if isinstance(layer, keras.layers.Dense)
        }
        self.assertEqual(units, {"hidden": 512, "values": 256, "keys": 256, "code": 128})
        units = {layer.name: layer.units for layer in query_encoder(7, weight_decay=0.0, seed=0).layers[1:]}
        self.assertEqual(units, {"hidden": 256, "code": 128, "decoder_hidden": 256, "reconstruction": 7})

    def test_decay_is_half_the_squares_of_the_kernels_and_of_nothing_else(self):
        network = class_encoder(7, 4, weight_decay=0.01, seed=0)
        network.get_layer("hidden").bias.assign(np.ones(512))
        kernels = [layer.kernel for layer in network.layers if isinstance(layer, keras.layers.Dense)]
        self.assertAllClose(sum(network.losses), sum(0.005 * np.sum(np.square(kernel)) for kernel in kernels))
        self.assertEmpty(class_encoder(7, 4, weight_decay=0.0, seed=0).losses)

    def test_equal_seeds_begin_alike_and_layers_of_one_shape_do_not(self):
        first, second, other = (query_encoder(256, weight_decay=0.0, seed=seed) for seed in (1, 1, 2))
        for one, two, three in zip(first.weights, second.weights, other.weights, strict=True):
            self.assertAllEqual(one, two)
            if len(one.shape) == 2:
                self.assertNotAllClose(one, three)
        self.assertNotAllClose(first.get_layer("hidden").kernel, first.get_layer("reconstruction").kernel)

    def test_the_encoders_stay_in_float32_under_mixed_precision(self):
        keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
        network = class_encoder(7, 4, weight_decay=0.0, seed=0)
        self.assertEqual(network(np.ones((2, 4, 7), np.float32)).dtype, tf.float32)
        self.assertEqual({layer.compute_dtype for layer in network.layers[1:]}, {"float32"})

    def test_features_are_taken_as_log_1_plus_x_and_negative_ones_mirrored(self):
        values = log_features(tf.constant([0.0, 1.0, np.e - 1, -1.0]))
        self.assertAllClose(values, [0, np.log(2), 1, -np.log(2)])


if __name__ == "__main__":
    tf.test.main()
