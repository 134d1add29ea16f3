"""From networks over images to networks over clips: kernels get a temporal extent (Carreira and Zisserman 2017).

Whatever the weights come from, they are brought into one form first, the weights of
`resnet2d`, by variable path. `inflate` takes them from there.
"""

import re
from collections.abc import Mapping

import keras
import numpy as np

from spl_tf.errors import UserError
from spl_tf.input_range import absorb_range
from spl_tf.models.options import require_choice

# What keras.applications subtracts from red, green and blue in its "caffe" preprocessing.
CAFFE_MEAN = (123.68, 116.779, 103.939)
KERNELS = ("averaged", "centred")

_APPLICATIONS_EPSILON = 1.001e-5
_APPLICATIONS_LAYER = re.compile(r"conv1_(conv|bn)|conv(\d)_block(\d+)_([0-3])_(conv|bn)")
_ADDED_TO_VIDEO = re.compile(r"_block\d+_(gate|non_local)")
_VARIABLES = {"conv": ("kernel", "bias"), "bn": ("gamma", "beta", "moving_mean", "moving_variance")}


def inflate(backbone: keras.Model, image_weights: Mapping[str, np.ndarray], kernels: str = "averaged") -> list[str]:
    """Sets the weights of a backbone from those of the same network with temporal kernels of 1.

    On a clip of equal frames the inflated network then computes what the network
    over images computes on one of them: with "centred" kernels in every frame, with
    "averaged" ones in the frames at least `temporal_radius` from the ends of the
    clip, where no kernel reaches beyond it. Gates look at the whole clip, its ends
    included; one that the image network does not have scales by about one half.

    Args:
      backbone: of `resnet3d`, or of `resnet2d`, which takes the weights as they are.
      image_weights: by variable path, convolutions [1, kh, kw, Cin, Cout].
      kernels: "averaged" divides each kernel evenly over its frames (Wang et al.
        2018 and their code); "centred" puts it into the middle one, the others are 0.

    Returns:
      Paths of the variables of gates and non-local blocks that `image_weights`
      does not have: they keep their initial values.

    Raises:
      UserError: the weights are those of another network; the backbone is unchanged.
    """
    require_choice("kernels", kernels, KERNELS)
    variables = {variable.path: variable for variable in backbone.weights}
    absent = [path for path in variables if path not in image_weights]
    kept = [path for path in absent if _ADDED_TO_VIDEO.search(path)]
    problems = {
        "missing": [path for path in absent if path not in kept],
        "unexpected": [path for path in image_weights if path not in variables],
        "other shape": [
            path
            for path, variable in variables.items()
            if path in image_weights and not _inflates(image_weights[path].shape, variable.shape)
        ],
    }
    if any(problems.values()):
        found = "; ".join(f"{len(paths)} {kind}: {', '.join(paths[:3])}" for kind, paths in problems.items() if paths)
        raise UserError(
            f"the 2-D weights do not fit the network ({found}): give {backbone.name} the depth, the width and, other "
            "than in time, the kernels of the network they come from"
        )
    for path, variable in variables.items():
        if path in image_weights:
            weights = image_weights[path]
            is_kernel = len(variable.shape) == 5
            variable.assign(inflate_kernel(weights, variable.shape[0], kernels) if is_kernel else weights)
    return kept


def inflate_kernel(kernel: np.ndarray, frames: int, kernels: str) -> np.ndarray:
    """[1, kh, kw, Cin, Cout] -> [frames, kh, kw, Cin, Cout]."""
    if kernels == "averaged":
        return np.repeat(kernel / frames, frames, axis=0)
    inflated = np.zeros((frames, *kernel.shape[1:]), kernel.dtype)
    inflated[frames // 2] = kernel[0]
    return inflated


def temporal_radius(backbone: keras.Model) -> int:
    """Frames before and after it that a frame of the feature map depends on: 12 for R3D-50.

    Holds for networks that keep the number of frames; gates and non-local blocks
    are left out.
    """
    convolutions = [layer for layer in backbone.layers if isinstance(layer, keras.layers.Conv3D)]
    return sum(layer.kernel_size[0] // 2 for layer in convolutions)


def from_applications(weights: Mapping[str, np.ndarray], bn_epsilon: float = 1e-5) -> dict[str, np.ndarray]:
    """Brings the weights of keras.applications.ResNet50 or ResNet101 into the form that `inflate` takes.

    The result computes on clips normalized by `preprocessing.normalize` what the
    original computes on images prepared by `keras.applications.resnet.preprocess_input`:

      biases    go into the normalization that follows, mean' = mean - bias
      epsilon   gamma' = gamma * sqrt((variance + epsilon') / (variance + epsilon))
      colours   blue, green, red become red, green, blue in the first convolution
      scale     the first convolution takes 1 / 57.375 of the original's input
      mean      the difference of the two subtracted means, summed over the first
                convolution, goes into the normalization that follows

    Exact with two options: `stride_in="1x1"` of `resnet3d` or `form="v1"` of
    `resnet2d`, where the original has its strides, and `border_color=CAFFE_MEAN`, the
    colour its zeros around an image stand for. Without the latter the stem differs
    in its outermost pixels.

    Args:
      weights: by layer and variable, e.g. "conv2_block1_1_conv/kernel" [kh, kw, Cin, Cout].
      bn_epsilon: of the network to be.

    Raises:
      UserError: it is a network of another kind, or a variable of one of its layers is missing.
    """
    layers = sorted({name.rsplit("/", 1)[0] for name in weights})
    if any("preact" in layer or layer == "post_bn" for layer in layers):
        raise UserError(
            "these are weights of a ResNet V2, which normalizes before its convolutions and has no ReLU after its "
            "sums: no network here has that form, take ResNet50 or ResNet101"
        )
    matches = [match for match in map(_APPLICATIONS_LAYER.fullmatch, layers) if match]
    if not matches:
        raise UserError("no layer is named as in keras.applications.ResNet50, e.g. conv2_block1_1_conv")
    inflatable = {}
    for match in matches:
        kind = match[1] or match[5]
        wanted = [f"{match[0]}/{variable}" for variable in _VARIABLES[kind]]
        if absent := [name for name in wanted if name not in weights]:
            raise UserError(f"{', '.join(absent)} missing: these are no weights of keras.applications.ResNet50")
        name = _our_layer(match)
        for variable, path in zip(_VARIABLES[kind], wanted, strict=True):
            inflatable[f"{name}/{variable}"] = weights[path].astype(np.float64)
    for path in [path for path in inflatable if path.endswith("/bias")]:
        _fold_bias(inflatable, path.removesuffix("/bias"), bn_epsilon)
    return {path: values.astype(np.float32) for path, values in inflatable.items()}


def _our_layer(match: re.Match) -> str:
    """Name of our layer for one of keras.applications, e.g. res2_block1_conv1_bn for conv2_block1_1_bn."""
    _, stage, block, number, _ = match.groups()
    if stage is None:
        name = "stem_conv"
    else:
        name = f"res{stage}_block{block}_" + ("shortcut" if number == "0" else f"conv{number}")
    return name if match[0].endswith("_conv") else f"{name}_bn"


def _fold_bias(weights: dict[str, np.ndarray], name: str, bn_epsilon: float) -> None:
    """Replaces the bias of one convolution; the stem's also takes over colours, scale and mean."""
    kernel, bias = weights[f"{name}/kernel"], weights.pop(f"{name}/bias")
    if f"{name}_bn/gamma" not in weights:
        raise UserError(f"the normalization after {name} is missing: these are no weights of keras.applications")
    sizes = {values.shape for path, values in weights.items() if path.startswith(f"{name}_bn/")} | {bias.shape}
    if sizes != {kernel.shape[-1:]}:
        raise UserError(f"kernel, bias and normalization of {name} have different channels: the file is damaged")
    if name == "stem_conv":
        if kernel.ndim != 4 or kernel.shape[2] != 3:
            raise UserError(f"the kernel of conv1_conv is {kernel.shape}: inflate a network over images of 3 channels")
        kernel, shift = absorb_range(kernel[:, :, ::-1], CAFFE_MEAN, (1.0, 1.0, 1.0))
        bias = bias + shift
    weights[f"{name}/kernel"] = kernel[np.newaxis]
    variance = weights[f"{name}_bn/moving_variance"]
    weights[f"{name}_bn/moving_mean"] -= bias
    weights[f"{name}_bn/gamma"] *= np.sqrt((variance + bn_epsilon) / (variance + _APPLICATIONS_EPSILON))


def _inflates(shape: tuple[int, ...], inflated: tuple[int, ...]) -> bool:
    if len(inflated) < 5:
        return tuple(shape) == tuple(inflated)
    return tuple(shape) == (1, *inflated[1:])
