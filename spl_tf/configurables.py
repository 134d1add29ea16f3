"""Everything a gin file may name. Importing this module registers it."""

import gin
import keras

# Each module registers its own functions as it is imported.
from spl_tf.cleaning import clean_labels, cleannet_training, clip_features  # noqa: F401
from spl_tf.data import pipeline, rendered_actions  # noqa: F401
from spl_tf.experiment import recipe, transitions  # noqa: F401
from spl_tf.hardware import distribution  # noqa: F401
from spl_tf.inference import evaluate, predict, shard_scores  # noqa: F401
from spl_tf.losses import anchor, correction, cross_entropy, data_parameters  # noqa: F401
from spl_tf.models import cgnl, classifier, non_local, resnet2d, resnet3d, s3d, video_resnet  # noqa: F401
from spl_tf.training import schedules, stage  # noqa: F401

for optimizer in (keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.AdamW):
    gin.external_configurable(optimizer, module="keras.optimizers")
