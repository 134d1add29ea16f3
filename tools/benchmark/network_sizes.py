"""The networks that are compared, and the clips that they see."""

from typing import NamedTuple

CLASSES = 200
# Of the matrices whose product the networks are compared with.
MATRIX_SIDE = 2048


class Size(NamedTuple):
    """Of a batch: clips, frames, side in pixels."""

    clips: int
    frames: int
    side: int


# R3D-50-G of the SPL paper, the two of depth 18 as torchvision defines them, and the one of gin/ucf6.gin.
SIZES = {
    "r3d50g": Size(2, 16, 112),
    "r3d18": Size(2, 16, 112),
    "r2plus1d18": Size(2, 16, 112),
    "ucf6": Size(16, 8, 56),
}
