import gin
import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.models.cgnl import GroupAttention, cgnl_block
from spl_tf.models.resnet3d import resnet3d
from spl_tf.models.style import network_style, style_of_network
from tests.models.random_values import numeric_gradient, random_clips, randomize

CHANNELS = 8


def _block(weight_decay: float = 0.0, **options) -> keras.Model:
    inputs = keras.Input((None, None, None, CHANNELS))
    style = style_of_network(network_style(weight_decay=weight_decay))
    return keras.Model(inputs, cgnl_block(inputs, style, "nl", **options))


def _expected(clips: np.ndarray, values: dict[str, np.ndarray], groups: int, scale: bool) -> np.ndarray:
    """The block, one clip and one group at a time."""
    outputs = []
    for clip in clips:
        theta, phi, g = (clip @ values[f"nl_{part}/kernel"][0, 0, 0] for part in ("theta", "phi", "g"))
        normalized = []
        for group in range(groups):
            channels = slice(group * theta.shape[-1] // groups, (group + 1) * theta.shape[-1] // groups)
            product = np.sum(phi[..., channels] * g[..., channels])
            if scale:
                product /= np.sqrt(phi[..., channels].size)
            y = (product * theta[..., channels]) @ values["nl_out/kernel"][group]
            normalized.append((y - y.mean()) / np.sqrt(y.var() + 1e-5))
        y = np.concatenate(normalized, axis=-1)
        outputs.append(clip + y * values["nl_norm/gamma"] + values["nl_norm/beta"])
    return np.array(outputs)


class CgnlBlockTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(groups=(1, 2, 4), scale=(False, True), size=((2, 3, 3), (1, 1, 1)))
    def test_values_of_the_equations(self, groups, scale, size):
        model = _block(groups=groups, scale=scale)
        randomize(model)
        clips = random_clips(2, *size, CHANNELS)
        values = {variable.path: np.asarray(variable.value, np.float64) for variable in model.weights}
        self.assertAllClose(model(clips), _expected(clips, values, groups, scale), 1e-4, 1e-4)

    @parameterized.parameters((2, False), (4, True))
    def test_gradients_of_the_equations(self, groups, scale):
        model = _block(groups=groups, scale=scale)
        randomize(model)
        clips, weights = random_clips(1, 2, 2, 2, CHANNELS), random_clips(4, 2, 2, 2, CHANNELS)[-1:]
        values = {variable.path: np.asarray(variable.value, np.float64) for variable in model.weights}

        def loss_with(path, value):
            changed = {**values, path: value}
            x = changed.pop("clips", clips.astype(np.float64))
            return np.sum(_expected(x, changed, groups, scale) * weights)

        variables = {variable.path: variable.value for variable in model.trainable_weights}
        variables["clips"] = tf.constant(clips)
        with tf.GradientTape() as tape:
            tape.watch(variables["clips"])
            loss = tf.reduce_sum(model(variables["clips"], training=True) * weights)
        gradients = tape.gradient(loss, variables)
        largest = max(np.abs(gradient).max() for gradient in gradients.values())
        for path, gradient in gradients.items():
            at = np.asarray(variables[path], np.float64)
            expected = numeric_gradient(lambda value, path=path: loss_with(path, value), at)
            self.assertAllClose(gradient, expected, 1e-3, 1e-5 * largest, path)

    def test_a_new_block_is_the_identity(self):
        clips = random_clips(1, 2, 3, 4, CHANNELS)
        self.assertAllEqual(_block(groups=4)(clips), clips)

    def test_weight_decay_is_on_all_kernels(self):
        model = _block(weight_decay=0.5, groups=4)
        randomize(model)
        kernels = [variable for variable in model.weights if variable.name == "kernel"]
        self.assertLen(kernels, 4)
        expected = sum(0.25 * np.sum(np.square(kernel)) for kernel in kernels)
        self.assertAllClose(tf.add_n(model.losses), expected)

    def test_bfloat16_sums_the_product_in_float32(self):
        layer = GroupAttention(1, dtype="mixed_bfloat16")
        ones = tf.ones([1, 1, 33, 32, 1], tf.bfloat16)  # A sum in bfloat16 would stop at 256.
        self.assertAllClose(tf.cast(layer([ones] * 3), tf.float32), 1056 * np.ones(ones.shape), rtol=0.01)

    @parameterized.product(policy=("float16", "mixed_float16", "mixed_bfloat16"), scale=(False, True))
    def test_products_beyond_the_range_of_float16_do_not_overflow(self, policy, scale):
        """A product over 1,000 positions; float16 ends at 65,504."""
        keras.mixed_precision.set_dtype_policy(policy)
        model = _block(groups=2, scale=scale)
        for seed, variable in enumerate(model.weights):
            variable.assign(np.random.default_rng(seed).uniform(0.5, 4.0, variable.shape).astype(np.float32))
        clips = np.random.default_rng(0).uniform(0.5, 1.5, (1, 10, 10, 10, CHANNELS)).astype(np.float16)
        exact = {weight.path: np.asarray(tf.cast(weight.value, tf.float32), np.float64) for weight in model.weights}
        exact_clips = clips.astype(np.float64)
        phi, g = (exact_clips @ exact[f"nl_{part}/kernel"][0, 0, 0] for part in ("phi", "g"))
        self.assertGreater((phi[..., :2] * g[..., :2]).sum(), 1e5)
        compute_dtype = keras.mixed_precision.dtype_policy().compute_dtype
        outputs = tf.cast(model(tf.cast(clips, compute_dtype)), tf.float32)
        tolerance = 0.05 if compute_dtype == "float16" else 0.3
        self.assertAllClose(outputs, _expected(exact_clips, exact, 2, scale), rtol=tolerance, atol=tolerance)

    def test_gin_puts_it_into_a_network(self):
        gin.parse_config("resnet3d.non_local = [[], [1], [], []]\nresnet3d.non_local_block = @cgnl_block")
        gin.parse_config("cgnl_block.groups = 4")
        network = resnet3d(10, width_multiplier=0.125)
        self.assertEqual(network.get_layer("res3_block1_non_local_attention").groups, 4)

    def test_groups_that_do_not_divide_the_channels_are_named(self):
        with self.assertRaisesRegex(UserError, "cgnl_block.groups = 3: does not divide 4, half the channels of nl"):
            _block(groups=3)


if __name__ == "__main__":
    tf.test.main()
