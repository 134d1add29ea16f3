import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf.models.classifier import backbone_of, classifier
from spl_tf.models.resnet3d import resnet3d
from spl_tf.models.style import network_style


def _backbone(**kwargs) -> keras.Model:
    return resnet3d(10, width_multiplier=0.125, **kwargs)


def _clips(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


class ClassifierTest(parameterized.TestCase, tf.test.TestCase):
    def test_features_are_the_mean_of_the_feature_map_and_logits_linear_in_the_projection(self):
        backbone = _backbone()
        model = classifier(backbone, 7, projection_units=12)
        clips = _clips(2, 3, 40, 33, 3)
        outputs = model(clips)
        features = backbone(clips).numpy().mean((1, 2, 3))
        kernel, bias = model.get_layer("projection").get_weights()
        head, head_bias = model.get_layer("logits").get_weights()
        self.assertEqual((kernel.shape, head.shape), ((64, 12), (12, 7)))
        self.assertAllClose(outputs["features"], features, 1e-5, 1e-5)
        self.assertAllClose(outputs["logits"], (features @ kernel + bias) @ head + head_bias, 1e-5, 1e-5)

    def test_without_projection_and_dropout_there_are_no_such_layers(self):
        names = {layer.name for layer in classifier(_backbone(), 7, dropout=0.0).layers}
        self.assertNoCommonElements(names, {"projection", "dropout"})
        self.assertContainsSubset({"pooling", "logits"}, names)

    def test_head_starts_at_a_deviation_of_one_hundredth(self):
        kernel, bias = classifier(_backbone(), 500).get_layer("logits").get_weights()
        self.assertAllClose(kernel.std(), 0.01, atol=5e-4)
        self.assertAllEqual(bias, np.zeros(500))

    def test_dropout_changes_logits_in_training_only(self):
        model = classifier(_backbone(), 7)
        model.get_layer("stem_conv_bn").trainable = False
        clips = _clips(2, 2, 32, 32, 3)
        self.assertAllEqual(model(clips)["logits"], model(clips)["logits"])
        first, second = model(clips, training=True)["logits"], model(clips, training=True)["logits"]
        self.assertNotAllClose(first, second, 1e-6, 1e-6)

    def test_pooling_and_head_are_float32_under_mixed_precision(self):
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = classifier(_backbone(), 7, projection_units=12)
        outputs = model(_clips(1, 2, 32, 32, 3))
        self.assertEqual({value.dtype for value in outputs.values()}, {tf.float32})
        for name in ("pooling", "projection", "dropout", "logits"):
            self.assertEqual(model.get_layer(name).compute_dtype, "float32")

    @parameterized.parameters("float32", "mixed_bfloat16")
    def test_a_saved_model_loads_again(self, policy):
        keras.config.set_dtype_policy(policy)
        model = classifier(
            _backbone(style=network_style(weight_decay=0.1), gate_position="residual_branch"), 7, projection_units=12
        )
        path = self.get_temp_dir() + "/model.keras"
        model.save(path)
        keras.config.set_dtype_policy("float32")
        loaded = keras.models.load_model(path)
        clips = _clips(2, 3, 33, 40, 3)
        for name, value in model(clips).items():
            self.assertAllEqual(loaded(clips)[name], value)
        self.assertEqual([v.path for v in loaded.weights], [v.path for v in model.weights])
        self.assertEqual(
            [layer.get_config() for layer in loaded.layers], [layer.get_config() for layer in model.layers]
        )

    def test_backbone_of_a_loaded_classifier_shares_its_weights(self):
        backbone = _backbone()
        found = backbone_of(classifier(backbone, 7, projection_units=12))
        self.assertEqual([id(variable) for variable in found.weights], [id(variable) for variable in backbone.weights])
        clips = _clips(1, 2, 32, 32, 3)
        self.assertAllEqual(found(clips), backbone(clips))


if __name__ == "__main__":
    tf.test.main()
