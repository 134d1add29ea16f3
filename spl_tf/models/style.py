"""What all layers of a network have in common: normalization and weight decay, set once for trunk and head."""

import dataclasses

import gin


@dataclasses.dataclass(frozen=True)
class Style:
    """What all layers of one network have in common.

    Attributes:
      weight_decay, bn_momentum, bn_epsilon, synchronized_bn: see `network_style`.
      padding: of strided layers; "symmetric" as in Caffe2 and PyTorch, "same" as
        in TensorFlow, which pads less before than after at even sizes.
      gate_bias: whether the gates have a bias.
      folded: the inference form without normalization; see `folding`.
    """

    weight_decay: float
    bn_momentum: float | None
    bn_epsilon: float | None
    synchronized_bn: bool
    padding: str = "symmetric"
    gate_bias: bool = False
    folded: bool = False

    @property
    def normalization(self) -> tuple[float, float]:
        """Momentum and epsilon of batch normalization.

        Raises:
          ValueError: one is None, where `style_of_network` puts the network's own.
        """
        if self.bn_momentum is None or self.bn_epsilon is None:
            raise ValueError("no momentum or epsilon of batch normalization: take the style from style_of_network")
        return self.bn_momentum, self.bn_epsilon


@gin.configurable
def network_style(
    *,
    weight_decay: float = 0.0,
    bn_momentum: float | None = None,
    bn_epsilon: float | None = None,
    synchronized_bn: bool = False,
) -> Style:
    """The options that every network takes, whichever builder makes it; `network_style.weight_decay = 1e-4` in gin.

    Args:
      weight_decay: coupled, on the kernels of trunk and head only: the gradient
        gets weight_decay * w.
      bn_momentum: share of the old moving statistics that batch normalization
        keeps at an update; None is the network's own, 0.9, in `s3d` 0.999.
      bn_epsilon: added to the variance; None is the network's own, 1e-5, in `s3d` 1e-3.
      synchronized_bn: statistics over the clips of all replicas; see `FusedBatchNorm`.
    """
    return Style(weight_decay, bn_momentum, bn_epsilon, synchronized_bn)


def style_of_network(
    given: Style | None, *, bn_momentum: float = 0.9, bn_epsilon: float = 1e-5, **chosen: str | bool
) -> Style:
    """The style of one network's layers.

    Args:
      given: None is `network_style()`, as the configuration has it.
      bn_momentum, bn_epsilon: the network's own, used where `given` names none.
      chosen: by the network's builder: padding, gate_bias, folded.
    """
    given = network_style() if given is None else given
    return dataclasses.replace(
        given,
        bn_momentum=bn_momentum if given.bn_momentum is None else given.bn_momentum,
        bn_epsilon=bn_epsilon if given.bn_epsilon is None else given.bn_epsilon,
        **chosen,
    )
