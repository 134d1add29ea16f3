"""Networks over clips and images: backbone, head, folded form, transfer of weights, cost.

Importing this package registers its layers with Keras, so that a saved model loads again.
"""

from spl_tf.models.cgnl import GroupAttention, GroupedPointwise
from spl_tf.models.dropout import ReplicaDropout
from spl_tf.models.gating import SelfGating
from spl_tf.models.layers import ClipConv3D, InnerMaxPooling3D, SamePadding, SymmetricPadding
from spl_tf.models.non_local import NonLocalAttention
from spl_tf.models.normalization import FusedBatchNorm
from spl_tf.models.s3d import TemporalIdentity

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
    "SymmetricPadding",
    "TemporalIdentity",
]
