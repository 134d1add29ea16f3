"""Losses: functions that give each clip's loss, `spl_tf.losses.focal(labels, logits, known)`.

Of one label a clip: (labels [B], logits [B, N], epochs done) -> [B]. Of several: (labels [B, N], logits [B, N],
known [B, N], epochs done, class counts) -> [B]. Importing this package registers them with gin. A function stands where
its module does.
"""

from spl_tf.losses.anchor import anchor_loss
from spl_tf.losses.asymmetric import asymmetric
from spl_tf.losses.binary_cross_entropy import sigmoid_cross_entropy
from spl_tf.losses.candidate_likelihood import candidate_likelihood
from spl_tf.losses.class_counts import ClassCounts
from spl_tf.losses.contrastive import info_nce, nt_xent
from spl_tf.losses.correction import backward_correction, forward_correction
from spl_tf.losses.cross_entropy import softmax_cross_entropy
from spl_tf.losses.data_parameters import DataParameters
from spl_tf.losses.distribution_balanced import distribution_balanced, distribution_balanced_na2m
from spl_tf.losses.focal import focal
from spl_tf.losses.large_loss_rejection import large_loss_rejection
from spl_tf.losses.masked_cross_entropy import masked_cross_entropy
from spl_tf.losses.splc import splc

__all__ = [
    "ClassCounts",
    "DataParameters",
    "anchor_loss",
    "asymmetric",
    "backward_correction",
    "candidate_likelihood",
    "distribution_balanced",
    "distribution_balanced_na2m",
    "focal",
    "forward_correction",
    "info_nce",
    "large_loss_rejection",
    "masked_cross_entropy",
    "nt_xent",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "splc",
]
