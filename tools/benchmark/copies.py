"""How many copies of real uploads are found, kind by kind, and what is taken for a copy and is none.

Of the manifests' files every second one is used, so that limits may be chosen on the others. Copies are made of some
files of the first manifest, the rest of it lends what a copy has before and behind; each kind is looked for among the
copied files and those of the other manifests. Then all different files are compared with each other, and different
clips of one scene, rendered over a file's picture.

  python -m tools.benchmark.copies --manifest=../shared/data/ucf6/web.csv --skip=web/dw,web/v_ \
      --manifest=../shared/data/ucf6/test.csv --manifest=../shared/data/ucf6/target_train.csv --folder=/tmp/copies
"""

import csv
import os
import pathlib
import re

import numpy as np
from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
flags.DEFINE_multi_string("manifest", None, "Lists of different videos, by path.", flag_values=FLAGS)
flags.DEFINE_list("skip", [], "Beginnings of paths that are known to be copies.", flag_values=FLAGS)
flags.DEFINE_enum("half", "1", ["0", "1"], "Which half of the files is used.", flag_values=FLAGS)
flags.DEFINE_integer("copied", 40, "How many of them are copied in each way.", flag_values=FLAGS)
flags.DEFINE_string("kinds", "", "Only kinds of copies whose names this regular expression finds.", flag_values=FLAGS)
flags.DEFINE_integer("scene_clips", 1000, "Different clips of one scene.", flag_values=FLAGS)
flags.DEFINE_string("folder", None, "Where copies and fingerprints are kept.", flag_values=FLAGS)
flags.mark_flags_as_required(["manifest", "folder"], FLAGS)


def main() -> int:
    from tools.benchmark.copy_kinds import KINDS

    folder = pathlib.Path(FLAGS.folder)
    folder.mkdir(parents=True, exist_ok=True)
    sources, *others = (_half(pathlib.Path(manifest)) for manifest in FLAGS.manifest)
    strangers = [path for paths in others for path in paths]
    order = np.random.default_rng(int(FLAGS.half)).permutation(len(sources))
    copied, lent = ([sources[place] for place in part] for part in np.split(order, [FLAGS.copied]))
    kinds = [kind for kind in KINDS if re.search(FLAGS.kinds, kind)]
    print(f"{len(copied)} files copied in {len(kinds)} ways, beside {len(strangers)} others")
    for kind in kinds:
        copies = _make_copies(copied, lent, kind, folder)
        dropped = _dropped([copied, copies, strangers], folder)
        pairs = [(place, place + len(copied)) for place in range(len(copied))]
        found = sum(dropped.get(copy) == original or dropped.get(original) == copy for original, copy in pairs)
        others_dropped = sum(place >= 2 * len(copied) for place in dropped)
        print(f"| {kind} | {found} of {len(copied)} | {others_dropped} |", flush=True)
    different = [*sources, *strangers]
    dropped = _dropped([sources, strangers], folder)
    print(f"dropped of {len(different)} different files: {len(dropped)}")
    for place, partner in dropped.items():
        print(f"  {different[place]} as a copy of {different[partner]}")
    clips = _scene_clips(sources, folder / "scene")
    print(f"dropped of {len(clips)} different clips of one scene: {len(_dropped([clips], folder))}")
    return 0


def _half(manifest: pathlib.Path) -> list[pathlib.Path]:
    """Every second of the files, by name."""
    with open(manifest, newline="") as opened:
        names = sorted({row["path"] for row in csv.DictReader(opened)})
    names = [name for name in names if not name.startswith(tuple(FLAGS.skip))]
    return [manifest.parent / name for name in names[int(FLAGS.half) :: 2]]


def _dropped(groups: list[list[pathlib.Path]], folder: pathlib.Path) -> dict[int, int]:
    """What is dropped -> what it is taken for a copy of, as places in the groups one after the other."""
    from spl_tf.data.duplicates.fingerprint_files import FingerprintFiles, make_fingerprints
    from spl_tf.data.duplicates.fingerprints import Interval
    from spl_tf.data.duplicates.near_uploads import find_copies

    parts = []
    for paths in groups:
        intervals = [Interval(str(path), 0.0, float("inf")) for path in paths]
        parts += make_fingerprints(intervals, folder / "fingerprints", os.cpu_count() or 1, 600.0).parts
    names = [str(path) for paths in groups for path in paths]
    copies = find_copies(FingerprintFiles(parts), np.zeros(len(names), bool), names, os.cpu_count() or 1)
    return {place: copy.partner for place, copy in copies.items()}


def _make_copies(
    copied: list[pathlib.Path], lent: list[pathlib.Path], kind: str, folder: pathlib.Path
) -> list[pathlib.Path]:
    """A copy of each file, made where it is not there yet."""
    from tools.benchmark.copy_kinds import KINDS, Source, read, write

    name = re.sub(r"\W+", "-", kind)
    copies = [folder / f"{path.stem}-{name}.mp4" for path in copied]
    for number, (path, copy) in enumerate(zip(copied, copies, strict=True)):
        if copy.exists():
            continue
        frames, fps = read(path)
        before, behind = (read(lent[(2 * number + place) % len(lent)])[0] for place in (0, 1))
        made = KINDS[kind](Source(frames, fps, (before, behind), np.random.default_rng(number)))
        temporary = copy.with_name(f".{copy.name}")
        write(temporary, made.frames, made.fps or fps, made.codec)
        temporary.rename(copy)
    return copies


def _scene_clips(paths: list[pathlib.Path], folder: pathlib.Path) -> list[pathlib.Path]:
    """Clips over the first file's mean picture; the figures are pieces of other files' pictures."""
    from tools.benchmark.copy_kinds import read, scene_clip, write

    folder.mkdir(exist_ok=True)
    background = read(paths[0])[0].mean(axis=0).astype(np.uint8)
    figures = np.stack([read(path)[0][0][30:80, 50:90] for path in paths[1:3]])
    clips = [folder / f"{number:04d}.mp4" for number in range(FLAGS.scene_clips)]
    for number, path in enumerate(clips):
        if not path.exists():
            temporary = path.with_name(f".{path.name}")
            write(temporary, scene_clip(background, figures, number), 15.0)
            temporary.rename(path)
    return clips


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
