"""Networks over clips and images: backbone, head, folded form, transfer of weights, cost.

Importing this package registers its layers with Keras, so that a saved model loads again. Its names are the builders
and the layers; a builder stands where its module does, `spl_tf.models.resnet3d(...)`.
"""

from spl_tf.models.cgnl import GroupAttention, GroupedPointwise
from spl_tf.models.classifier import backbone_of, classifier
from spl_tf.models.dropout import ReplicaDropout
from spl_tf.models.gating import SelfGating
from spl_tf.models.layers import ClipConv3D, InnerMaxPooling3D, SamePadding, SymmetricPadding
from spl_tf.models.non_local import NonLocalAttention
from spl_tf.models.normalization import FusedBatchNorm
from spl_tf.models.r2plus1d import r2plus1d, r3d
from spl_tf.models.resnet2d import resnet2d
from spl_tf.models.resnet3d import resnet3d
from spl_tf.models.s3d import TemporalIdentity, s3d
from spl_tf.models.style import Style, network_style

__all__ = [
    "ClipConv3D",
    "FusedBatchNorm",
    "GroupAttention",
    "GroupedPointwise",
    "InnerMaxPooling3D",
    "NonLocalAttention",
    "ReplicaDropout",
    "SamePadding",
    "SelfGating",
    "Style",
    "SymmetricPadding",
    "TemporalIdentity",
    "backbone_of",
    "classifier",
    "network_style",
    "r2plus1d",
    "r3d",
    "resnet2d",
    "resnet3d",
    "s3d",
]
