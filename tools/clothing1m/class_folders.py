"""The same four sets without text files: a folder each, in it a folder per class, in that the images."""

import pathlib

from spl_tf.data.lists.class_folders import class_folder_rows
from spl_tf.data.lists.csv_tables import PATH
from spl_tf.data.lists.labels import class_ids, unknown_label
from spl_tf.errors import UserError
from spl_tf.labels.classes import read_classes
from tools.clothing1m import layout

# The first of these that is there.
FOLDERS = {
    layout.CLEAN_TRAIN: ("clean_train", "target_train", "train"),
    layout.CLEAN_VALIDATION: ("clean_val", "validation", "val", "valid"),
    layout.CLEAN_TEST: ("clean_test", "test"),
    layout.NOISY_TRAIN: ("noisy_train", "noisy", "web"),
}
_CLASSES = ("classes.txt", layout.CLASSES)
_LABEL = "label"


def find(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """List -> its folder, of those that are there."""
    found = {}
    for name, spellings in FOLDERS.items():
        places = [folder / spelling for spelling in spellings if (folder / spelling).is_dir()]
        if places:
            found[name] = places[0]
    return found


def read(folder: pathlib.Path, places: dict[str, pathlib.Path]) -> layout.Layout:
    """What the folders say; a key is an image's path from `folder` on.

    Args:
      folder: of the data set. The classes are those of `classes.txt` or `category_names_eng.txt` in it, else the names
        of the folders in the clean sets, sorted.
      places: of each list.

    Raises:
      UserError: a set has no folder, or the clean sets have no class.
    """
    absent = [name for name in FOLDERS if name not in places]
    if absent:
        there = ", ".join(sorted(place.name for place in places.values()))
        raise UserError(
            f"{folder} has no folder {' or '.join(FOLDERS[absent[0]])} beside {there}: "
            "a data set of class folders needs clean training, validation and test sets and a noisy one"
        )
    rows = {name: list(class_folder_rows(place, _LABEL, with_frame_folders=False)) for name, place in places.items()}
    classes = _classes(folder, [row[_LABEL] for name in rows if name != layout.NOISY_TRAIN for row in rows[name]])
    ids = class_ids((), classes, folder)
    keys: dict[str, list[str]] = {}
    clean: layout.Labels = {}
    noisy: layout.Labels = {}
    for name, place in places.items():
        labels = noisy if name == layout.NOISY_TRAIN else clean
        keys[name] = [f"{place.name}/{row[PATH]}" for row in rows[name]]
        for key, row in zip(keys[name], rows[name], strict=True):
            label = row[_LABEL]
            unknown = f"unknown class ({unknown_label(label, ids, classes)})" if label else layout.NO_LABEL
            labels[key] = ids.get(label, unknown)
    return layout.Layout(
        classes, clean, noisy, keys, places | {layout.CLEAN_LABELS: folder, layout.NOISY_LABELS: folder}
    )


def _classes(folder: pathlib.Path, clean: list[str]) -> tuple[str, ...]:
    for name in _CLASSES:
        if (folder / name).is_file():
            return read_classes(folder / name)
    classes = tuple(sorted(set(filter(None, clean))))
    if not classes:
        raise UserError(
            f"the clean sets of {folder} have no folders named by class: give each image its class's folder"
        )
    return classes
