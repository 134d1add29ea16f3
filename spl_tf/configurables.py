"""Everything a gin file may name. Importing this module registers it."""

import gin
import keras

# Each module registers its own functions as it is imported.
from spl_tf import losses  # noqa: F401
from spl_tf.cleaning import clean_labels, cleannet_training  # noqa: F401
from spl_tf.data.indexing import keys  # noqa: F401
from spl_tf.data.input import pipeline  # noqa: F401
from spl_tf.demo import rendered_actions  # noqa: F401
from spl_tf.experiment import held_out, noise_matrices, recipe  # noqa: F401
from spl_tf.hardware import distribution  # noqa: F401
from spl_tf.inference import (  # noqa: F401
    engine,
    evaluation,
    features,
    openvino_engine,
    prediction,
    shard_scores,
    timeline,
)
from spl_tf.metrics import class_groups  # noqa: F401
from spl_tf.models import cgnl, classifier, non_local, r2plus1d, resnet2d, resnet3d, s3d, style  # noqa: F401
from spl_tf.training import schedules, stage  # noqa: F401
from spl_tf.training.objectives import (  # noqa: F401
    cvrl,
    multi_label,
    one_of_several,
    partial_label,
    pcl,
    pretexts,
    single_label,
    soft_label,
)

for optimizer in (keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.AdamW):
    # train_stage gives the learning rate.
    gin.external_configurable(optimizer, module="keras.optimizers", denylist=["learning_rate"])
