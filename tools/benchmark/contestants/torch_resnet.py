"""`spl_tf.models.resnet3d` in PyTorch, so that both frameworks do the same work."""

import torch
from torch import nn

_BLOCKS = {10: (1, 1, 1, 1), 50: (3, 4, 6, 3)}


class ResNet3D(nn.Module):
    """R3D-10 of basic blocks or R3D-50 of bottlenecks, temporal kernels of table 7; float [B, 3, T, H, W] -> [B, N]."""

    def __init__(
        self,
        classes: int,
        depth: int = 50,
        width: int = 64,
        stem_frames: int = 5,
        stem_side: int = 7,
        gated: bool = True,
    ):
        super().__init__()
        layers: list[nn.Module] = [
            _convolution(3, width, (stem_frames, stem_side, stem_side), 2),
            nn.ReLU(inplace=True),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        ]
        channels = width
        for stage, blocks in enumerate(_BLOCKS[depth]):
            for number in range(blocks):
                frames = 3 if stage == 0 or number % 2 == 0 else 1
                stride = 2 if stage and not number else 1
                block = _Block(channels, width << stage, frames, stride, is_bottleneck=depth >= 50)
                layers.append(block)
                channels = block.channels
            if gated:
                layers.append(_Gate(channels))
        self.trunk = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.5)
        self.logits = nn.Linear(channels, classes)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.logits(self.dropout(self.trunk(clips).mean((2, 3, 4))))


class _Block(nn.Module):
    def __init__(self, channels: int, filters: int, frames: int, stride: int, is_bottleneck: bool):
        super().__init__()
        self.channels = 4 * filters if is_bottleneck else filters
        if is_bottleneck:
            branch = [
                _convolution(channels, filters, (frames, 1, 1), 1),
                nn.ReLU(inplace=True),
                _convolution(filters, filters, (1, 3, 3), stride),
                nn.ReLU(inplace=True),
                _convolution(filters, self.channels, (1, 1, 1), 1),
            ]
        else:
            branch = [
                _convolution(channels, filters, (frames, 3, 3), stride),
                nn.ReLU(inplace=True),
                _convolution(filters, filters, (frames, 3, 3), 1),
            ]
        self.branch = nn.Sequential(*branch)
        is_same = stride == 1 and channels == self.channels
        self.shortcut = nn.Identity() if is_same else _convolution(channels, self.channels, (1, 1, 1), stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.relu(self.branch(x) + self.shortcut(x), inplace=True)


class _Gate(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.logits = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.logits(x.mean((2, 3, 4))).sigmoid()[:, :, None, None, None]


def _convolution(channels: int, filters: int, kernel: tuple[int, int, int], stride: int) -> nn.Module:
    padding = [size // 2 for size in kernel]
    convolution = nn.Conv3d(channels, filters, kernel, (1, stride, stride), padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm3d(filters))
