"""Clothing1M's own files: class names, lists of keys, and labels by key. A key is an image's path in the data set."""

import dataclasses
import pathlib
import posixpath

from spl_tf.errors import UserError

CLASSES = "category_names_eng.txt"
CLEAN_LABELS = "clean_label_kv.txt"
NOISY_LABELS = "noisy_label_kv.txt"
CLEAN_TRAIN = "clean_train_key_list.txt"
CLEAN_VALIDATION = "clean_val_key_list.txt"
CLEAN_TEST = "clean_test_key_list.txt"
NOISY_TRAIN = "noisy_train_key_list.txt"

LISTS = (CLEAN_TRAIN, CLEAN_VALIDATION, CLEAN_TEST, NOISY_TRAIN)
_ALL = (CLASSES, CLEAN_LABELS, NOISY_LABELS, *LISTS)
_SUBFOLDER = "annotations"
_CONTRADICTORY = "contradictory labels"

# A class id, or in words why there is none.
Labels = dict[str, int | str]


@dataclasses.dataclass(frozen=True)
class Layout:
    """What the text files say.

    Attributes:
      classes: names in id order.
      clean_labels: by key.
      noisy_labels: by key.
      keys: by list, in its order, repeated ones too.
    """

    classes: tuple[str, ...]
    clean_labels: Labels
    noisy_labels: Labels
    keys: dict[str, list[str]]


def read_layout(folder: pathlib.Path) -> Layout:
    """Reads the text files, at the folder's root or in `annotations/`.

    Raises:
      UserError: one is missing, or there are no class names, or a name twice.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: give --data the folder of Clothing1M")
    paths = {name: _find(folder, name) for name in _ALL}
    classes = tuple(_lines(paths[CLASSES]))
    if not classes or len(set(classes)) < len(classes):
        fault = "names a class twice" if classes else "holds no classes"
        raise UserError(f"{paths[CLASSES]} {fault}: write one class name a line, in the order of the labels")
    return Layout(
        classes,
        _read_labels(paths[CLEAN_LABELS], len(classes)),
        _read_labels(paths[NOISY_LABELS], len(classes)),
        {name: list(map(_normalized, _lines(paths[name]))) for name in LISTS},
    )


def _find(folder: pathlib.Path, name: str) -> pathlib.Path:
    for path in (folder / name, folder / _SUBFOLDER / name):
        if path.is_file():
            return path
    raise UserError(
        f"{name} is neither in {folder} nor in {folder / _SUBFOLDER}: --data must be a folder in Clothing1M's layout, "
        f"with {', '.join(_ALL)}"
    )


def _lines(path: pathlib.Path) -> list[str]:
    """Lines that are not blank, stripped. Bytes that are not UTF-8 stay what they are, as in file names."""
    text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    return [line for line in map(str.strip, text.split("\n")) if line]


def _normalized(key: str) -> str:
    """One spelling for `images/0/a.jpg` and `./images//0/a.jpg`."""
    return posixpath.normpath(key)


def _read_labels(path: pathlib.Path, num_classes: int) -> Labels:
    labels: Labels = {}
    for line in _lines(path):
        key, blank, number = line.replace("\t", " ").rpartition(" ")  # Keys may have blanks in them.
        if not blank:
            key, number = number, ""
        key, label = _normalized(key.strip()), _class_id(number, num_classes)
        known = labels.setdefault(key, label)
        if known != label:
            labels[key] = known if str(known).startswith(_CONTRADICTORY) else f"{_CONTRADICTORY} ({known} and {label})"
    return labels


def _class_id(number: str, num_classes: int) -> int | str:
    try:
        class_id = int(number)
    except ValueError:
        return f"label is no class id ({number!r})" if number else "no label"
    return class_id if 0 <= class_id < num_classes else f"label out of range ({class_id} of {num_classes} classes)"
