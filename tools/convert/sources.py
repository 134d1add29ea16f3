"""Networks over clips of other projects: their layers' names, what they look at, and the same network here."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from spl_tf.inference.trained_model import ClipInput


@dataclasses.dataclass(frozen=True)
class Source:
    """A network of another project.

    Attributes:
      network: builder of ours, "resnet3d", "r3d" or "r2plus1d".
      bindings: gin bindings that make it the same network.
      path_of: name of one of their variables -> path of ours, None if it is of no use here.
      framework: "torch" or "tensorflow".
      mean, deviation: of the input, red, green, blue, in 0..255.
      clip_input: the clips its published weights are tested on.
    """

    network: str
    bindings: tuple[str, ...]
    path_of: Callable[[str], str | None]
    framework: str
    mean: Sequence[float]
    deviation: Sequence[float]
    clip_input: ClipInput

    @property
    def stem(self) -> str:
        """Our name of the first convolution."""
        return "stem_conv_spatial" if self.network == "r2plus1d" else "stem_conv"

    def ours(self, theirs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Their variables by our paths and in our order of axes, a head's as `logits/kernel` and `logits/bias`."""
        weights = {}
        for name, values in theirs.items():
            path = self.path_of(name)
            if path is None:
                continue
            if self.framework == "torch" and path.endswith("/kernel") and values.ndim > 1:
                values = np.moveaxis(values, (0, 1), (-1, -2))  # Cout, Cin, T, H, W -> T, H, W, Cin, Cout
            elif path.endswith("_gate/kernel") and values.shape[:-2] == (1, 1, 1):
                values = values.reshape(values.shape[-2:])  # A convolution of 1 x 1 x 1 there, a dense layer here.
            weights[path] = values
        return weights


def _torch_path(name: str, layers: Sequence[tuple[str, Callable[[re.Match], str]]]) -> str | None:
    """Path of a PyTorch variable: the first pattern that matches its module names our layer.

    What no pattern matches keeps its name, so that it is reported as unexpected.
    """
    module, _, variable = name.rpartition(".")
    if variable == "num_batches_tracked":
        return None
    for pattern, layer in layers:
        if match := re.fullmatch(pattern, module):
            ours = layer(match)
            names = _NORMALIZATION if ours.endswith("_bn") else _CONVOLUTION
            return f"{ours}/{names.get(variable, variable)}"
    return name


_NORMALIZATION = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_CONVOLUTION = {"weight": "kernel"}
# The modules inside torchvision's "stem", "conv1" and "conv2".
_R3D = {"0": "", "1": "_bn"}
_R2PLUS1D_STEM = {"0": "_spatial", "1": "_spatial_bn", "3": "_temporal", "4": "_temporal_bn"}
_R2PLUS1D = {"0.0": "_spatial", "0.1": "_spatial_bn", "0.3": "_temporal", "1": "_temporal_bn"}


def _torchvision_path(stem: Mapping[str, str], convolution: Mapping[str, str]) -> Callable[[str], str | None]:
    def block(match: re.Match) -> str:
        return f"res{int(match[1]) + 1}_block{int(match[2]) + 1}"

    layers = (
        (rf"stem\.({'|'.join(stem)})", lambda match: f"stem_conv{stem[match[1]]}"),
        (
            rf"layer(\d)\.(\d)\.(conv\d)\.({'|'.join(convolution)})",
            lambda match: f"{block(match)}_{match[3]}{convolution[match[4]]}",
        ),
        (r"layer(\d)\.(\d)\.downsample\.([01])", lambda match: f"{block(match)}_shortcut{_R3D[match[3]]}"),
        ("fc", lambda match: "logits"),
    )
    return lambda name: _torch_path(name, layers)


def _pytorchvideo_path(stages: Sequence[int]) -> Callable[[str], str | None]:
    """`stages`: the numbers of res2, res3, res4, res5 and the head in the list "blocks"."""
    *blocks, head = stages
    suffix = {"conv": "", "norm": "_bn"}

    def block(match: re.Match) -> str:
        return f"res{blocks.index(int(match[1])) + 2}_block{int(match[2]) + 1}"

    number = f"({'|'.join(map(str, blocks))})"
    layers = (
        (r"blocks\.0\.(conv|norm)", lambda match: f"stem_conv{suffix[match[1]]}"),
        (
            rf"blocks\.{number}\.res_blocks\.(\d+)\.branch2\.(conv|norm)_([abc])",
            lambda match: f"{block(match)}_conv{'abc'.index(match[4]) + 1}{suffix[match[3]]}",
        ),
        (
            rf"blocks\.{number}\.res_blocks\.(\d+)\.branch1_(conv|norm)",
            lambda match: f"{block(match)}_shortcut{suffix[match[3]]}",
        ),
        (rf"blocks\.{head}\.proj", lambda match: "logits"),
    )
    return lambda name: _torch_path(name, layers)


_GARDEN_BLOCKS = [(stage, number) for stage, count in enumerate((3, 4, 6, 3), 2) for number in range(1, count + 1)]
_GARDEN_LAYERS = {
    "_temporal_conv": "conv1",
    "_norm1": "conv1_bn",
    "_spatial_conv": "conv2",
    "_norm2": "conv2_bn",
    "_expand_conv": "conv3",
    "_norm3": "conv3_bn",
    "_shortcut_conv": "shortcut",
    "_norm0": "shortcut_bn",
    "_self_gating": "gate",
}


def _model_garden_path(name: str) -> str | None:
    """A checkpoint's variables; those of an optimizer and the like are of no use."""
    value = r"(?:_transformer_w/)?(\w+)/\.ATTRIBUTES/VARIABLE_VALUE"
    if match := re.fullmatch(rf"(?:.*/)?model/layer_with_weights-1/{value}", name):
        return f"logits/{match[1]}"
    backbone = r"(?:.*/)?(?:backbone|model/layer_with_weights-0)"
    match = re.fullmatch(rf"{backbone}/layer_with_weights-(\d+)/(?:(_\w+)/)?{value}", name)
    if match is None:
        return None
    place, layer, variable = int(match[1]), match[2], match[3]
    if place < 2:
        return f"{('stem_conv', 'stem_conv_bn')[place]}/{variable}"
    if place - 2 >= len(_GARDEN_BLOCKS) or layer not in _GARDEN_LAYERS:
        return name
    stage, number = _GARDEN_BLOCKS[place - 2]
    return f"res{stage}_block{number}_{_GARDEN_LAYERS[layer]}/{variable}"


def _torchvision_source(network: str, path_of: Callable[[str], str | None]) -> Source:
    mean, deviation = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)
    return Source(
        network=network,
        bindings=(f"{network}.depth = 18", f"{network}.form = 'torchvision'"),
        path_of=path_of,
        framework="torch",
        mean=tuple(255 * value for value in mean),
        deviation=tuple(255 * value for value in deviation),
        clip_input=ClipInput(num_frames=16, frame_stride=1, crop_size=112, short_side=128, fps=15.0),
    )


def _pytorchvideo_source(stages: Sequence[int], *bindings: str) -> Source:
    return Source(
        network="resnet3d",
        bindings=("resnet3d.depth = 50", "resnet3d.gating = 'none'", *bindings),
        path_of=_pytorchvideo_path(stages),
        framework="torch",
        mean=(255 * 0.45,) * 3,
        deviation=(255 * 0.225,) * 3,
        clip_input=ClipInput(num_frames=8, frame_stride=8, crop_size=256, short_side=256, fps=30.0),
    )


SOURCES = {
    "torchvision_r3d_18": _torchvision_source("r3d", _torchvision_path(_R3D, _R3D)),
    "torchvision_r2plus1d_18": _torchvision_source("r2plus1d", _torchvision_path(_R2PLUS1D_STEM, _R2PLUS1D)),
    "pytorchvideo_slow_r50": _pytorchvideo_source(
        (1, 2, 3, 4, 5),
        "resnet3d.stem_kernel = (1, 7, 7)",
        "resnet3d.temporal_kernels = [[1, 1, 1], [1, 1, 1, 1], [3, 3, 3, 3, 3, 3], [3, 3, 3]]",
    ),
    # Between res2 and res3 a pooling takes a number.
    "pytorchvideo_i3d_r50": _pytorchvideo_source(
        (1, 3, 4, 5, 6),
        "resnet3d.res5_kernels = 'reference_code'",
        "resnet3d.pool2_kernel = (2, 1, 1)",
    ),
    "model_garden_resnet3d_50": Source(
        network="resnet3d",
        bindings=(
            "resnet3d.depth = 50",
            "resnet3d.gating = 'none'",
            "resnet3d.gate_position = 'residual_branch'",
            "resnet3d.res5_kernels = 'reference_code'",
            "resnet3d.stem_strides = (2, 2, 2)",
            "resnet3d.pool_kernel = (3, 3, 3)",
            "resnet3d.pool_strides = (2, 2, 2)",
            "resnet3d.padding = 'same'",
        ),
        path_of=_model_garden_path,
        framework="tensorflow",
        mean=(0.0, 0.0, 0.0),
        deviation=(255.0, 255.0, 255.0),
        clip_input=ClipInput(num_frames=32, frame_stride=2, crop_size=224, short_side=256, fps=30.0),
    ),
}
