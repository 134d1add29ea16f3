import gin
import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.models.cost import gflops_per_clip
from spl_tf.models.non_local import NonLocalAttention, non_local_block, placement
from spl_tf.models.resnet3d import resnet3d
from spl_tf.models.style import style_of_network
from tests.models.random_values import numeric_gradient, random_clips, randomize

CHANNELS = 6
PARTS = ("theta", "phi", "g", "out")


def _block(**options) -> keras.Model:
    inputs = keras.Input((None, None, None, CHANNELS))
    return keras.Model(inputs, non_local_block(inputs, style_of_network(None), "nl", **options))


def _values(model: keras.Model) -> dict[str, np.ndarray]:
    return {variable.path: np.asarray(variable.value, np.float64) for variable in model.weights}


def _expected(clips: np.ndarray, values: dict[str, np.ndarray], kernel: str, scale: bool, pool_keys: bool):
    """The block, one clip and one query at a time."""

    def convolve(x, part):
        return x @ values[f"nl_{part}/kernel"][0, 0, 0] + values[f"nl_{part}/bias"]

    outputs = []
    for clip in clips:
        positions = clip
        if pool_keys:
            frames, height, width, channels = clip.shape
            cut = clip[:, : height // 2 * 2, : width // 2 * 2]
            positions = cut.reshape(frames, height // 2, 2, width // 2, 2, channels).max((2, 4))
        positions = positions.reshape(-1, clip.shape[-1])
        phi, g = convolve(positions, "phi"), convolve(positions, "g")
        gathered = []
        for theta in convolve(clip.reshape(-1, clip.shape[-1]), "theta"):
            likeness = phi @ theta
            if kernel == "dot_product":
                weights = likeness / len(phi)
            else:
                weights = np.exp(likeness / np.sqrt(len(theta)) if scale else likeness)
                weights /= weights.sum()
            gathered.append(weights @ g)
        y = convolve(np.array(gathered), "out").reshape(clip.shape)
        y = (y - values["nl_out_bn/moving_mean"]) / np.sqrt(values["nl_out_bn/moving_variance"] + 1e-5)
        outputs.append(clip + y * values["nl_out_bn/gamma"] + values["nl_out_bn/beta"])
    return np.array(outputs)


FORMS = (
    {"kernel": "embedded_gaussian", "scale": True, "pool_keys": True},
    {"kernel": "embedded_gaussian", "scale": False, "pool_keys": False},
    {"kernel": "dot_product", "scale": True, "pool_keys": True},
    {"kernel": "dot_product", "scale": True, "pool_keys": False},
)


class NonLocalBlockTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(form=FORMS, size=((2, 4, 4), (3, 5, 7)))
    def test_values_of_the_equations(self, form, size):
        model = _block(**form)
        randomize(model)
        clips = random_clips(2, *size, CHANNELS)
        expected = _expected(clips, _values(model), **form)
        self.assertAllClose(model(clips), expected, 1e-5, 1e-5 * np.abs(expected).max())

    @parameterized.parameters(*FORMS)
    def test_gradients_of_the_equations(self, **form):
        model = _block(**form)
        randomize(model)
        clips, weights = random_clips(1, 2, 3, 2, CHANNELS), random_clips(4, 2, 3, 2, CHANNELS)[-1:]
        values = _values(model)

        def loss_with(path, value):
            changed = {**values, path: value}
            x = changed.pop("clips", clips.astype(np.float64))
            return np.sum(_expected(x, changed, **form) * weights)

        variables = {variable.path: variable.value for variable in model.trainable_weights}
        variables["clips"] = tf.constant(clips)
        with tf.GradientTape() as tape:
            tape.watch(variables["clips"])
            loss = tf.reduce_sum(model(variables["clips"], training=False) * weights)
        for path, gradient in tape.gradient(loss, variables).items():
            at = np.asarray(variables[path], np.float64)
            expected = numeric_gradient(lambda value, path=path: loss_with(path, value), at)
            self.assertAllClose(gradient, expected, 1e-4, 1e-5 * max(1, np.abs(expected).max()), path)

    @parameterized.parameters((1, 1, 1), (1, 7, 1), (5, 1, 3))
    def test_a_single_row_or_column_is_a_key(self, *size):
        model = _block(pool_keys=True)
        randomize(model)
        clips = random_clips(1, *size, CHANNELS)
        self.assertAllEqual(tf.math.is_finite(model(clips)), np.ones(clips.shape, bool))

    def test_one_position_gathers_its_own_value(self):
        """With one key the softmax is one: the block is x + BN(out(g(x)))."""
        model = _block()
        randomize(model)
        model.get_layer("nl_theta").kernel.assign(7 * tf.ones([1, 1, 1, CHANNELS, CHANNELS // 2]))
        branch = keras.Model(model.input, model.get_layer("nl_attention").output)
        g = keras.Model(model.input, model.get_layer("nl_g").output)
        clips = random_clips(2, 1, 1, 1, CHANNELS)
        self.assertAllClose(branch(clips), g(clips))

    def test_a_new_block_is_the_identity_and_learns(self):
        model = _block()
        clips = random_clips(1, 2, 4, 4, CHANNELS)
        self.assertAllEqual(model(clips), clips)
        self.assertAllInRange(model.get_layer("nl_theta").kernel.numpy(), -0.06, 0.06)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(clips, training=True) ** 2)
        self.assertGreater(tf.reduce_max(tf.abs(tape.gradient(loss, model.get_layer("nl_out_bn").gamma.value))), 0.0)

    def test_bfloat16_keeps_the_softmax_in_float32(self):
        keras.config.set_dtype_policy("mixed_bfloat16")
        layer = NonLocalAttention(scale=False)
        theta, phi = np.full([1, 1, 1, 1, 1], 1.0), np.zeros([1, 1, 64, 64, 1])
        g = np.ones([1, 1, 64, 64, 1])  # 4096 weights of 1 / 4096: a sum in bfloat16 would stop at 256.
        outputs = layer([tf.constant(values, tf.bfloat16) for values in (theta, phi, g)])
        self.assertEqual(outputs.dtype, tf.bfloat16)
        self.assertAllClose(tf.cast(outputs, tf.float32), np.ones([1, 1, 1, 1, 1]), atol=0.01)

    @parameterized.parameters("float32", "mixed_bfloat16", "mixed_float16")
    def test_products_beyond_the_range_of_float16_do_not_overflow(self, policy):
        layer = NonLocalAttention(scale=False, dtype=policy)
        theta, phi = np.full([1, 1, 1, 1, 16], 64.0), np.full([1, 1, 1, 3, 16], 64.0)
        phi[0, 0, 0, 1] += 32.0  # Products of 65,536, 98,304 and 65,536: float16 ends at 65,504.
        g = np.arange(48.0).reshape(1, 1, 1, 3, 16)
        outputs = layer([tf.constant(values, layer.compute_dtype) for values in (theta, phi, g)])
        self.assertAllClose(tf.cast(outputs, tf.float32), g[:, :, :, 1:2], rtol=0.01)

    def test_multiply_adds_of_the_attention_are_counted(self):
        clip, half = (2, 4, 4, CHANNELS), CHANNELS // 2
        queries, keys = 2 * 4 * 4, 2 * 2 * 2
        convolutions = (2 * queries + 2 * keys) * CHANNELS * half
        for kernel, attention in (
            ("embedded_gaussian", 2 * queries * keys * half),
            ("dot_product", (queries + keys) * half * half),
        ):
            counted = round(gflops_per_clip(_block(kernel=kernel), clip) * 1e9)
            self.assertEqual(counted, convolutions + attention, kernel)

    def test_wrong_kernel_is_named(self):
        with self.assertRaisesRegex(UserError, "non_local_block.kernel = 'gaussian': choose one of"):
            _block(kernel="gaussian")


class PlacementTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        (0, (3, 4, 6, 3), ((), (), (), ())),
        (1, (3, 4, 6, 3), ((), (), (5,), ())),
        (1, (3, 4, 23, 3), ((), (), (22,), ())),
        (5, (3, 4, 6, 3), ((), (2, 4), (2, 4, 6), ())),
        (5, (3, 4, 23, 3), ((), (2, 4), (7, 14, 21), ())),
        (10, (3, 4, 6, 3), ((), (1, 2, 3, 4), (1, 2, 3, 4, 5, 6), ())),
        ([[], [1], [2], []], (2, 2, 2, 2), ((), (1,), (2,), ())),
    )
    def test_placements_of_the_paper(self, wanted, block_counts, expected):
        self.assertEqual(placement(wanted, block_counts), expected)

    @parameterized.parameters(2, 5, 10, [[[1], [1]]], [[[], [], [3], []]], [[[0], [], [], []]])
    def test_what_a_network_cannot_have_is_named(self, wanted):
        with self.assertRaisesRegex(UserError, r"resnet3d.non_local = .*there are \(2, 2, 2, 2\)"):
            placement(wanted, (2, 2, 2, 2))

    def test_five_blocks_of_r3d_50(self):
        model = resnet3d(50, width_multiplier=0.125, gating="none", non_local=5)
        names = [layer.name for layer in model.layers if layer.name.endswith("_attention")]
        positions = ("res3_block2", "res3_block4", "res4_block2", "res4_block4", "res4_block6")
        self.assertEqual(names, [f"{block}_non_local_attention" for block in positions])
        # Per block four pointwise convolutions with bias and a normalization: 2 C^2 + 4.5 C.
        expected = sum(2 * channels**2 + 9 * channels // 2 for channels in (64, 64, 128, 128, 128))
        sizes = [np.prod(variable.shape) for variable in model.trainable_weights if "_non_local_" in variable.path]
        self.assertEqual(sum(sizes), expected)

    def test_gin_sets_the_kernel(self):
        gin.parse_config("resnet3d.non_local = [[1], [], [], []]\nnon_local_block.kernel = 'dot_product'")
        model = resnet3d(10, width_multiplier=0.125)
        self.assertEqual(model.get_layer("res2_block1_non_local_attention").kernel, "dot_product")


if __name__ == "__main__":
    tf.test.main()
