import numpy as np
import tensorflow as tf

from spl_tf.models.classifier import classifier
from spl_tf.models.cost import gflops_per_clip, num_parameters
from spl_tf.models.resnet3d import resnet3d


def _table_7_multiply_adds(frames: int, side: int, classes: int) -> int:
    """R3D-50-G by hand from table 7; `side` a multiple of 32."""
    total = frames * (side // 2) ** 2 * 64 * 5 * 7 * 7 * 3
    channels, side = 64, side // 4
    for stage, kernels in enumerate(((3, 3, 3), (3, 1, 3, 1), (3, 1, 3, 1, 3, 1), (3, 1, 3))):
        width = 64 * 2**stage
        for block, kernel in enumerate(kernels):
            total += frames * side**2 * channels * width * kernel
            if block == 0 and stage > 0:
                side //= 2  # The 3x3 convolution and the shortcut have the stride.
            total += frames * side**2 * (width * width * 9 + width * 4 * width)
            if block == 0:
                total += frames * side**2 * channels * 4 * width
            channels = 4 * width
        total += channels**2  # The gate.
    return total + channels * classes


class CostTest(tf.test.TestCase):
    def test_r3d_50_g_as_counted_by_hand(self):
        model = classifier(resnet3d(50), 400)
        self.assertEqual(round(gflops_per_clip(model, (8, 224, 224, 3)) * 1e9), _table_7_multiply_adds(8, 224, 400))
        self.assertEqual(num_parameters(model), 34_666_448)

    def test_twice_the_multiply_adds_are_what_the_profiler_counts(self):
        model = classifier(resnet3d(10, width_multiplier=0.125, gating="none"), 5)
        forward = tf.function(lambda clips: model(clips, training=False)["logits"])
        concrete = forward.get_concrete_function(tf.TensorSpec((1, 4, 33, 47, 3)))
        options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
        options["output"] = "none"
        options["account_type_regexes"] = ["Conv3D", "MatMul"]
        profile = tf.compat.v1.profiler.profile(concrete.graph, options=options)
        self.assertEqual(2 * round(gflops_per_clip(model, (4, 33, 47, 3)) * 1e9), profile.total_float_ops)

    def test_folding_does_not_change_the_count(self):
        networks = [resnet3d(10, width_multiplier=0.125, folded=folded) for folded in (False, True)]
        counts = [gflops_per_clip(network, (4, 32, 32, 3)) for network in networks]
        self.assertEqual(*counts)
        self.assertGreater(counts[0], 0)

    def test_moving_statistics_are_no_parameters(self):
        network = resnet3d(10, width_multiplier=0.125)
        statistics = sum(np.prod(v.shape) for v in network.weights if v.name.startswith("moving_"))
        self.assertEqual(num_parameters(network) + statistics, network.count_params())


if __name__ == "__main__":
    tf.test.main()
