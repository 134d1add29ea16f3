"""Converts random weights of other projects' networks by tools.convert.video and compares the logits.

Each original is built by its own package, gets random weights and statistics, and is saved as its users save
it. The saved file is converted by the command, as a user would, and both networks see the same random
clips of 0..255. Needs the originals, so it runs in environments of its own:

  nox -s torch       torchvision and pytorchvideo
  nox -s parity      TF Model Garden

  python -m tools.parity.converted --framework=torch --results=results/converted.csv
"""

import csv
import importlib.metadata
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable

import keras
import numpy as np
from absl import flags

from spl_tf import command, files
from spl_tf.data.input.preprocessing import normalize
from spl_tf.inference.trained_model import load_trained
from tools.convert import video
from tools.convert.sources import SOURCES

FLAGS = flags.FlagValues()
flags.DEFINE_enum("framework", None, ["torch", "tensorflow"], "Which originals are installed.", flag_values=FLAGS)
flags.DEFINE_string("results", None, "CSV whose rows of these networks are replaced.", flag_values=FLAGS)
flags.mark_flag_as_required("framework", flag_values=FLAGS)

TOLERANCE = 1e-4  # Of the largest logit.
NUM_CLASSES = 400
_PACKAGES = {"torch": ("torch", "torchvision", "pytorchvideo"), "tensorflow": ("tf-models-official",)}
# The heads of pytorchvideo's networks need 224 x 224 pixels and 8 frames to pool over everything, as ours do.
_CLIPS = {
    "torchvision": ((2, 8, 56, 56, 3), (1, 5, 61, 44, 3)),
    "pytorchvideo": ((1, 8, 224, 224, 3),),
    "model": ((1, 16, 64, 64, 3), (2, 9, 75, 61, 3)),
}


def write_torch_original(name: str, folder: pathlib.Path) -> None:
    subprocess.run([sys.executable, "-m", "tools.parity.torch_originals", name, str(folder)], check=True)


def write_model_garden_original(name: str, folder: pathlib.Path) -> None:
    """As `torch_originals`: weights as a checkpoint, and the logits of all clips in the folder."""
    import tensorflow as tf

    from tools.parity import model_garden

    network = model_garden.build_theirs(model_garden.THEIR_KERNELS, 2, False, NUM_CLASSES)
    model_garden.draw_weights(network, np.random.default_rng(0))
    tf.train.Checkpoint(model=network).write(str(folder / "weights"))
    for path in folder.glob("clips*.npy"):
        logits = network({"image": np.load(path) / 255.0}).numpy()
        np.save(path.with_name(path.name.replace("clips", "logits")), logits)


_WRITERS = {"torch": write_torch_original, "tensorflow": write_model_garden_original}


def compare(name: str, write_original: Callable[[str, pathlib.Path], None]) -> list[tuple[str, float]]:
    """Per shape of clips, the largest difference of the logits over the largest logit."""
    shapes = _CLIPS[name.split("_")[0]]
    differences = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for number, shape in enumerate(shapes):
            clips = np.random.default_rng(number).uniform(0, 255, shape)
            np.save(folder / f"clips{number}.npy", clips.astype(np.float32))
        write_original(name, folder)
        (folder / "classes.txt").write_text("".join(f"class {number}\n" for number in range(NUM_CLASSES)))
        files_of = {"weights": "weights", "output_dir": "converted", "classes": "classes.txt"}
        arguments = [f"--network={name}", *(f"--{flag}={folder / file}" for flag, file in files_of.items())]
        if command.execute(video.main, video.FLAGS, video.__doc__, ["video", *arguments]):
            raise RuntimeError(f"{name} was not converted")
        network = load_trained(folder / "converted").network
        for number, shape in enumerate(shapes):
            clips, theirs = (np.load(folder / f"{kind}{number}.npy") for kind in ("clips", "logits"))
            ours = keras.ops.convert_to_numpy(network(normalize(clips))["logits"])
            difference = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
            differences.append((" x ".join(map(str, shape)), difference))
    return differences


def main() -> int:
    names = [name for name, source in SOURCES.items() if source.framework == FLAGS.framework]
    packages = (*_PACKAGES[FLAGS.framework], "tensorflow", "keras")
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
    rows = []
    for name in names:
        for shape, difference in compare(name, _WRITERS[FLAGS.framework]):
            rows.append({"network": name, "clips": shape, "difference": f"{difference:.1e}", "versions": versions})
            print(f"{name}, clips {shape}: {difference:.1e} of the largest logit", flush=True)
    if FLAGS.results:
        _replace(pathlib.Path(FLAGS.results), rows)
    return 0 if all(float(row["difference"]) <= TOLERANCE for row in rows) else 1  # NaN is not.


def _replace(path: pathlib.Path, rows: list[dict[str, str]]) -> None:
    """Writes the rows in place of earlier ones of the same networks."""
    networks = {row["network"] for row in rows}
    earlier = []
    if path.exists():
        with path.open(newline="") as opened:
            earlier = [row for row in csv.DictReader(opened) if row["network"] not in networks]
    with files.atomic_path(path) as temporary, open(temporary, "w", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows([*earlier, *rows])


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
