import gin
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.errors import UserError
from spl_tf.models.classifier import classifier
from spl_tf.models.normalization import FusedBatchNorm
from spl_tf.models.r2plus1d import r2plus1d, r3d
from spl_tf.models.resnet2d import resnet2d
from spl_tf.models.resnet3d import resnet3d
from spl_tf.models.s3d import s3d
from spl_tf.models.style import network_style

OWN = {resnet3d: (0.9, 1e-5), resnet2d: (0.9, 1e-5), r3d: (0.9, 1e-5), r2plus1d: (0.9, 1e-5), s3d: (0.999, 1e-3)}
TINY = {"width_multiplier": 0.0625}


def _normalizations(network) -> set[tuple]:
    found = [layer for layer in network.layers if isinstance(layer, FusedBatchNorm)]
    return {(layer.momentum, layer.epsilon, layer.synchronized) for layer in found}


def _decays(network) -> dict[str, float]:
    """Coupled weight decay by layer; Keras' L2 is half of it."""
    layers = [layer for layer in network.layers if getattr(layer, "kernel_regularizer", None)]
    return {layer.name: 2 * float(layer.kernel_regularizer.l2) for layer in layers}


class NetworkStyleTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(*OWN.items())
    def test_one_binding_holds_for_every_builder_and_the_head(self, builder, own):
        self.assertEqual(_normalizations(builder(**TINY)), {(*own, False)})
        gin.parse_config("network_style.weight_decay = 0.5\nnetwork_style.synchronized_bn = True")
        network = classifier(builder(**TINY), 3, projection_units=4)
        self.assertEqual(_normalizations(network), {(*own, True)})
        kernels = {variable.path.split("/")[0] for variable in network.weights if variable.name == "kernel"}
        self.assertEqual(_decays(network), dict.fromkeys(kernels, 0.5))
        gin.parse_config("network_style.bn_momentum = 0.7\nnetwork_style.bn_epsilon = 0.25")
        self.assertEqual(_normalizations(builder(**TINY)), {(0.7, 0.25, True)})

    def test_a_stage_has_its_own(self):
        gin.parse_config("network_style.weight_decay = 0.5\nteacher/network_style.weight_decay = 0.25")
        decays = []
        for scope in ("teacher", "pretrain"):
            with gin.config_scope(scope):
                decays.append(set(_decays(classifier(resnet3d(10, **TINY), 3)).values()))
        self.assertEqual(decays, [{0.25}, {0.5}])

    def test_a_given_style_goes_before_the_configuration(self):
        gin.parse_config("network_style.weight_decay = 0.5")
        style = network_style(weight_decay=0.0, bn_epsilon=0.125)
        network = classifier(resnet3d(10, style=style, **TINY), 3, style=style)
        self.assertEqual(_normalizations(network), {(0.9, 0.125, False)})
        self.assertEmpty(_decays(network))

    def test_numbers_that_the_network_has_not_filled_in_are_refused(self):
        self.assertEqual(network_style(bn_momentum=0.7, bn_epsilon=0.125).normalization, (0.7, 0.125))
        for half in ({"bn_momentum": 0.7}, {"bn_epsilon": 0.125}):
            with self.assertRaisesRegex(ValueError, "style_of_network"):
                _ = network_style(**half).normalization

    @parameterized.parameters(
        "resnet3d.weight_decay = 1e-4", "s3d.bn_momentum = 0.9", "classifier.weight_decay = 1e-4", "r3d.style = None"
    )
    def test_no_network_takes_them_by_itself(self, binding):
        with self.assertRaisesRegex(UserError, binding.split(" ")[0].replace(".", ".*")):
            configuration.parse([], [binding])


if __name__ == "__main__":
    tf.test.main()
