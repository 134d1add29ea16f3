"""The classifier as a window that slides over the feature map: fully convolutional inference."""

import keras

from spl_tf.inference.trained_model import TrainedModel
from spl_tf.labels.targets import SEVERAL
from spl_tf.models.classifier import backbone_of


def slide_over(trained: TrainedModel) -> keras.Model:
    """A network that classifies every window of the feature map and averages the scores.

    A window has the size of a training clip's feature map, in all of the view's time (Wang et al. 2018
    section 4: 7 x 7 positions, over which the classifier is applied as a 1x1x1 convolution). For views
    of the training crop there is one window, and the scores are those of the network as it is.

    Returns:
      float [B, T, H, W, 3] -> {"features": [B, C], the mean over the whole map; "logits": [B, N],
      those whose scores the averaged ones are}.
    """
    network, clip_input = trained.network, trained.clip_input
    backbone = backbone_of(network)
    crop = clip_input.crop_size
    _, _, height, width, _ = backbone.compute_output_shape((1, clip_input.num_frames, crop, crop, 3))
    head = [layer for layer in network.layers if layer.name in ("projection", "logits")]

    inputs = keras.Input(network.input_shape[1:])
    positions = keras.ops.cast(backbone(inputs), "float32")
    windows = keras.layers.AveragePooling2D((height, width), 1, dtype="float32")(keras.ops.mean(positions, axis=1))
    for layer in head:
        windows = layer(windows)
    scores = keras.ops.mean(trained.scores(windows), axis=(1, 2))
    logits = keras.ops.log(scores)
    if trained.target == SEVERAL:
        logits -= keras.ops.log1p(-scores)
    features = keras.ops.mean(positions, axis=(1, 2, 3))
    return keras.Model(inputs, {"features": features, "logits": logits})
