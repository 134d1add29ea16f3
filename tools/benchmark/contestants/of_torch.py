"""PyTorch, eager or compiled by inductor, in the form that is fast: channels last, one update for all weights.

python -m tools.benchmark.contestants.of_torch r3d50g training float32 eager
"""

import sys
from collections.abc import Callable

import torch
import torchvision
from torch import nn

from tools.benchmark.contest import serve
from tools.benchmark.contestants.torch_resnet import ResNet3D
from tools.benchmark.network_sizes import CLASSES, SIZES

BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "r3d50g": lambda: ResNet3D(CLASSES),
    "r3d18": lambda: torchvision.models.video.r3d_18(num_classes=CLASSES),
    "r2plus1d18": lambda: torchvision.models.video.r2plus1d_18(num_classes=CLASSES),
    "ucf6": lambda: ResNet3D(CLASSES, depth=10, width=32, stem_frames=3, stem_side=5, gated=False),
}
_MEAN, _DEVIATION = 255 * 0.45, 255 * 0.225


def main() -> None:
    name, work, precision, form = sys.argv[1:]
    size = SIZES[name]
    network = BUILDERS[name]().to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    clips = torch.zeros([size.clips, 3, size.frames, size.side, size.side], dtype=torch.uint8)
    clips = clips.to(memory_format=torch.channels_last_3d)
    labels = torch.zeros([size.clips], dtype=torch.int64)
    forward = torch.compile(network) if form == "compiled" else network
    optimizer = torch.optim.SGD(
        network.parameters(), lr=1e-4, momentum=0.9, nesterov=True, weight_decay=1e-4, foreach=True
    )
    in_precision = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")

    def logits() -> torch.Tensor:
        with in_precision:
            return forward((clips.float() - _MEAN) / _DEVIATION)

    def train() -> float:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(logits().float(), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    def infer() -> torch.Tensor:
        with torch.inference_mode():
            return logits().float().softmax(1)

    network.train(work == "training")
    parameters = sum(weight.numel() for weight in network.parameters())
    serve(
        f"PyTorch {torch.__version__}, {form}, {precision}, {parameters:,} parameters",
        train if work == "training" else infer,
    )


if __name__ == "__main__":
    main()
