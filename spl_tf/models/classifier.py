"""The head: from a backbone's feature map to class scores."""

import gin
import keras
from keras import layers

from spl_tf.models.blocks import coupled_decay
from spl_tf.models.dropout import ReplicaDropout
from spl_tf.models.style import Style, style_of_network
from spl_tf.ranges import Share


@gin.configurable(denylist=["seed", "style"])
def classifier(
    backbone: keras.Model,
    num_classes: int,
    *,
    projection_units: int | None = None,
    dropout: Share = 0.5,
    seed: int = 0,
    style: Style | None = None,
) -> keras.Model:
    """Puts a head on a backbone; the layers of the backbone become layers of the classifier.

        backbone     [B, T', H', W', C]
        pooling      mean over time and space   [B, C]  -> "features"
        projection   dense, linear, with bias   [B, projection_units]   (pre-training only)
        dropout
        logits       dense                      [B, num_classes] -> "logits"

    The whole head computes in float32 under mixed precision.

    The paper adds "a linear projection head during the pre-training" (appendix
    A) and says no more. Taken here: one dense layer without activation between
    pooling and dropout, as wide as the caller says (2048 keeps the rank of the
    features of R3D-50), left out at fine-tuning. A linear layer before a linear
    classifier adds no capacity; it decouples the features from the classes.

    Args:
      backbone: from clips to feature maps; trained weights are shared, not copied.
      num_classes: from the data, never from a configuration file.
      projection_units: width of the projection; None for no projection.
      dropout: share of the features dropped in training (Wang et al. 2018: 0.5).
      seed: of the dropout masks.
      style: the backbone's, for its weight decay; None is what the configuration says.

    Returns:
      A model from clips [B, T, H, W, 3] to {"features": float32 [B, C],
      "logits": float32 [B, num_classes]}.
    """
    decay = coupled_decay(style_of_network(style).weight_decay)
    features = layers.GlobalAveragePooling3D(dtype="float32", name="pooling")(backbone.output)
    x = features
    if projection_units:
        x = layers.Dense(projection_units, kernel_regularizer=decay, dtype="float32", name="projection")(x)
    if dropout:
        x = ReplicaDropout(dropout, seed, dtype="float32", name="dropout")(x)
    logits = layers.Dense(
        num_classes,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        kernel_regularizer=decay,
        dtype="float32",
        name="logits",
    )(x)
    return keras.Model(backbone.input, {"features": features, "logits": logits}, name="classifier")


def backbone_of(model: keras.Model) -> keras.Model:
    """The backbone inside a classifier, e.g. one loaded from a file; layers and weights are shared."""
    return keras.Model(model.input, model.get_layer("pooling").input, name="backbone")
