"""Writes smaller and larger clean training sets, the axis of how good a teacher is.

  python -m tools.table6.target_sizes --data=data/cifar10n --sizes=250,2000

target_250.csv holds a quarter of the 1,000 images of target_train.csv, and of each class, drawn by seed 0. A size
beyond that list takes images of validation.csv too, which then choose nothing more.
"""

import pathlib

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from tools.study import manifests

FLAGS = flags.FlagValues()
flags.DEFINE_string("data", None, "Folder of target_train.csv and validation.csv; gets the lists.", flag_values=FLAGS)
flags.DEFINE_list("sizes", ["250", "2000"], "Numbers of images.", flag_values=FLAGS)


def main() -> None:
    command.require_flags(FLAGS, "data")
    folder = pathlib.Path(FLAGS.data)
    target, validation = (manifests.read(folder / f"{name}.csv") for name in ("target_train", "validation"))
    for text in FLAGS.sizes:
        if not text.isdecimal() or not 0 < int(text) <= len(target) + len(validation):
            raise UserError(f"--sizes={text}: give numbers from 1 to {len(target) + len(validation)}")
        size = int(text)
        rows = manifests.draw_share(target, min(1.0, size / len(target)), seed=0)
        if size > len(target):
            rows += manifests.draw_share(validation, (size - len(target)) / len(validation), seed=0)
        manifests.write(folder / f"target_{size}.csv", rows)
        print(f"target_{size}.csv: {len(rows)} images")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
