"""A network of torchvision or pytorchvideo with random weights, and its logits: the part of `converted` in PyTorch.

  python -m tools.parity.torch_originals NETWORK FOLDER

A process of its own: TensorFlow and a PyTorch with CUDA crash each other in one. Writes the state_dict
to FOLDER/weights and, for every clips*.npy there, float32 [B, T, H, W, 3] in 0..255, its logits*.npy.
"""

import pathlib
import sys

import numpy as np
import torch
from pytorchvideo.models import hub
from torchvision.models import video

BUILDERS = {
    "torchvision_r3d_18": video.r3d_18,
    "torchvision_r2plus1d_18": video.r2plus1d_18,
    "pytorchvideo_slow_r50": hub.slow_r50,
    "pytorchvideo_i3d_r50": hub.i3d_r50,
}
# As in the transforms that are published with the weights.
RANGES = {
    "torchvision": ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)),
    "pytorchvideo": ((0.45, 0.45, 0.45), (0.225, 0.225, 0.225)),
}


def main(name: str, folder: pathlib.Path) -> None:
    torch.manual_seed(0)
    network = BUILDERS[name]().eval()
    for variable, values in network.state_dict().items():
        if variable.endswith("running_var") or (variable.endswith("weight") and values.ndim == 1):
            values.uniform_(0.5, 1.5)
        elif variable.endswith(("running_mean", "bias")):
            values.normal_(0.0, 0.3)
    torch.save(network.state_dict(), folder / "weights")
    mean, deviation = map(torch.tensor, RANGES[name.split("_")[0]])
    for path in folder.glob("clips*.npy"):
        clips = (torch.tensor(np.load(path)) / 255.0 - mean) / deviation
        with torch.no_grad():
            logits = network(clips.permute(0, 4, 1, 2, 3)).numpy()
        np.save(path.with_name(path.name.replace("clips", "logits")), logits)


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
