"""All layers and networks of the package pass `component_checks`."""

import functools

import keras
import pytest
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configurables  # noqa: F401  Imports every room that has layers.
from spl_tf.cleaning.cleannet_network import ReferenceAttention
from spl_tf.models.cgnl import GroupAttention, GroupedPointwise, cgnl_block
from spl_tf.models.dropout import ReplicaDropout
from spl_tf.models.gating import SelfGating
from spl_tf.models.layers import ClipConv3D, InnerMaxPooling3D, SamePadding, SymmetricPadding
from spl_tf.models.non_local import NonLocalAttention
from spl_tf.models.normalization import FusedBatchNorm
from spl_tf.models.r2plus1d import r2plus1d, r3d
from spl_tf.models.resnet2d import resnet2d
from spl_tf.models.resnet3d import resnet3d
from spl_tf.models.s3d import TemporalIdentity, s3d
from tests.models.component_checks import ComponentTestCase
from tests.models.random_values import random_clips

CLIPS = random_clips(2, 3, 4, 5, 6)
KEYS = random_clips(2, 2, 2, 3, 6)
L2 = keras.regularizers.L2(0.1)

LAYERS = (
    (ClipConv3D, {"filters": 4, "kernel_size": (3, 1, 1), "padding": "same", "use_bias": False}, CLIPS),
    (ClipConv3D, {"filters": 4, "kernel_size": (5, 3, 3), "padding": "same", "kernel_regularizer": L2}, CLIPS),
    (ClipConv3D, {"filters": 6, "kernel_size": (3, 1, 1), "kernel_initializer": TemporalIdentity()}, CLIPS),
    (FusedBatchNorm, {"momentum": 0.8, "epsilon": 1e-4, "gamma_initializer": keras.initializers.Zeros(),
                      "synchronized": True}, CLIPS),
    (GroupAttention, {"groups": 2, "scale": True}, CLIPS, CLIPS[::-1].copy(), -CLIPS),
    (GroupedPointwise, {"filters": 4, "groups": 2, "kernel_regularizer": L2}, CLIPS),
    (InnerMaxPooling3D, {"pool_size": (2, 3, 3), "strides": (2, 2, 2)}, CLIPS),
    (InnerMaxPooling3D, {"pool_size": (5, 2, 2), "strides": (1, 2, 2)}, CLIPS),
    (NonLocalAttention, {"kernel": "dot_product", "scale": False}, CLIPS, KEYS, -KEYS),
    (ReferenceAttention, {"seed": 5}, CLIPS[0, 0], CLIPS[1, 0, ..., :3]),
    (ReplicaDropout, {"rate": 0.3, "seed": 7}, CLIPS),
    (SamePadding, {"kernel": (5, 3, 3), "strides": (2, 2, 2), "values": (0.5, 1.0, 2.0, -1.0, 0.0, 3.0)}, CLIPS),
    (SelfGating, {"use_bias": False, "kernel_regularizer": L2}, CLIPS),
    (SymmetricPadding, {"margins": (0, 1, 2), "values": (0.5, 1.0, 2.0, -1.0, 0.0, 3.0)}, CLIPS),
)  # fmt: skip

CLIP, LONG, SMALL = (2, 3, 33, 40, 3), (2, 9, 48, 48, 3), (1, 1, 5, 7, 3)
TINY = {"width_multiplier": 0.0625}
NON_LOCAL = {"non_local": [[], [1], [], []]}

NETWORKS = (
    (resnet3d, {"depth": 10}, CLIP, SMALL),
    (resnet3d, {"depth": 10, "padding": "same", "gating": "block", "gate_position": "residual_branch"}, CLIP, SMALL),
    (resnet3d, {"depth": 50, "stride_in": "1x1", "border_color": (123.0, 117.0, 104.0)}, CLIP, SMALL),
    (resnet3d, {"depth": 10, "pool2_kernel": (2, 1, 1), "pad_pool": False, **NON_LOCAL}, CLIP, SMALL),
    (resnet3d, {"depth": 10, "non_local_block": functools.partial(cgnl_block, groups=4), **NON_LOCAL}, CLIP, SMALL),
    (resnet2d, {"depth": 10, "stem": "small", "border_color": (123.0, 117.0, 104.0)}, CLIP, SMALL),
    (resnet2d, {"depth": 50, "form": "v1", "padding": "same"}, CLIP, SMALL),
    (r3d, {"form": "hara"}, CLIP, SMALL),
    (r3d, {"form": "torchvision"}, CLIP, SMALL),
    (r2plus1d, {"form": "hara"}, CLIP, SMALL),
    (r2plus1d, {"form": "torchvision"}, CLIP, SMALL),
    (s3d, {"gating": "branch"}, LONG, SMALL),
    (s3d, {"separable": False, "stem_frames": 7}, LONG, SMALL),
    (s3d, {"form": "torchvision"}, LONG, SMALL),
)


FIRST = tuple({builder: network for builder, *network in reversed(NETWORKS)}.items())
OTHERS = tuple(network for network in NETWORKS if network[1] not in [options for _, (options, *_) in FIRST])


class ComponentsTest(ComponentTestCase):
    @parameterized.parameters(*LAYERS)
    def test_layer(self, layer_class, options, *inputs):
        self.check_layer(layer_class, options, *inputs, training=layer_class is FusedBatchNorm)

    @parameterized.parameters(*((builder, *network) for builder, network in FIRST))
    def test_network(self, builder, options, *shapes):
        self.check_network(functools.partial(builder, **TINY, **options), *shapes, is_first=True)

    @parameterized.parameters(*OTHERS)
    @pytest.mark.slow
    def test_network_of_other_options(self, builder, options, *shapes):
        self.check_network(functools.partial(builder, **TINY, **options), *shapes, is_first=False)

    def test_no_layer_is_left_out(self):
        registered = {item for name, item in keras.saving.get_custom_objects().items() if name.startswith("spl_tf>")}
        checked = {layer_class for layer_class, *_ in LAYERS}
        self.assertEqual({item for item in registered if issubclass(item, keras.Layer)}, checked)


class Scale(keras.layers.Layer):
    """A right layer, which the layers below spoil in one place each."""

    def __init__(self, factor: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.bias = self.add_weight(name="bias", shape=(input_shape[-1],))

    def call(self, inputs):
        return self.factor * inputs + tf.convert_to_tensor(self.bias)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class ForgetsItsFactor(Scale):
    def __init__(self, factor: float = 1.0, **kwargs):
        super().__init__(factor, **kwargs)

    def get_config(self):
        return keras.layers.Layer.get_config(self)


class InfersAnotherShape(Scale):
    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 7)


class LosesItsWeights(Scale):
    def save_own_variables(self, store):
        pass

    def load_own_variables(self, store):
        pass


class StopsItsGradient(Scale):
    def call(self, inputs):
        return self.factor * inputs + tf.stop_gradient(tf.convert_to_tensor(self.bias))


class HalvesItsGradient(Scale):
    def call(self, inputs):
        outputs = super().call(inputs)
        return (outputs + tf.stop_gradient(outputs)) / 2


class AnswersInFloat32(Scale):
    def call(self, inputs):
        return tf.cast(super().call(inputs), tf.float32)


class CountsItsCallsFrames(Scale):
    def call(self, inputs):
        return super().call(inputs) * (inputs.shape[1] or 0)


class ComponentChecksTest(ComponentTestCase):
    """The checks find what they are there for."""

    @parameterized.parameters(
        (Scale, None),
        (ForgetsItsFactor, "get_config of ForgetsItsFactor forgets it"),
        (InfersAnotherShape, "7"),
        (LosesItsWeights, "different|not equal"),
        (StopsItsGradient, "layer/bias gets no gradient"),
        (HalvesItsGradient, "not close|input 0"),
        (AnswersInFloat32, "bfloat16"),
        (CountsItsCallsFrames, "not close"),
    )
    def test_a_spoilt_layer_fails(self, layer_class, message):
        with keras.saving.custom_object_scope({layer_class.__name__: layer_class}):
            if message is None:
                self.check_layer(layer_class, {"factor": 2.0}, CLIPS)
            else:
                with self.assertRaisesRegex(AssertionError, message):
                    self.check_layer(layer_class, {"factor": 2.0}, CLIPS)

    def test_an_argument_with_its_default_shows_nothing(self):
        with self.assertRaisesRegex(AssertionError, "rate.*|seed: choose another value"):
            self.check_layer(ReplicaDropout, {"rate": 0.3, "seed": 0}, CLIPS)


if __name__ == "__main__":
    tf.test.main()
