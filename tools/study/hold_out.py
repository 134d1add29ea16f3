"""Splits ucf6's clean target set to choose settings on, so that the test set chooses nothing.

  python -m tools.study.hold_out --target=data/ucf6/target_train.csv --output_dir=data/ucf6

Writes choice_train.csv (UCF101's groups 8 and 9) and choice_validation.csv (groups 10 and 11). To try a setting:

  python -m spl_tf.recipe --gin_file=ucf6.gin --output_dir=runs/choice --gin_param="DATA='data/ucf6'"
      --gin_param="video_folder.target='choice_train.csv'" --gin_param="video_folder.test='choice_validation.csv'"
      --gin_param="finetune/train_stage.epochs=60" --gin_param="recipe.strategies=['none','weak']"
"""

import pathlib
import re

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from tools.study import manifests

FLAGS = flags.FlagValues()
flags.DEFINE_string("target", None, "target_train.csv of ucf6.", flag_values=FLAGS)
flags.DEFINE_string("output_dir", None, "Folder for the two lists.", flag_values=FLAGS)

_TRAIN_GROUPS = ("08", "09")


def main() -> None:
    command.require_flags(FLAGS, "target", "output_dir")
    rows = manifests.read(pathlib.Path(FLAGS.target))
    in_train = [_group(row.path) in _TRAIN_GROUPS for row in rows]
    for name, wanted in (("choice_train.csv", True), ("choice_validation.csv", False)):
        chosen = [row for row, is_train in zip(rows, in_train, strict=True) if is_train == wanted]
        manifests.write(pathlib.Path(FLAGS.output_dir) / name, chosen)
        print(f"{name}: {len(chosen)} videos")


def _group(path: str) -> str:
    """UCF101's number of the recording that a video was cut from."""
    found = re.fullmatch(r"v_.+_g(\d+)_c\d+", pathlib.Path(path).stem)
    if found is None:
        raise UserError(f"{FLAGS.target}: {path} has no name like UCF101's, v_<action>_g<group>_c<clip>: rename it")
    return found[1]


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
