"""Clothing1M's own files: class names, lists of keys, and labels by key. A key is an image's path in the data set."""

import codecs
import dataclasses
import pathlib
import posixpath

from spl_tf.data.file_kinds import is_image
from spl_tf.data.lists.csv_tables import text
from spl_tf.errors import UserError

CLASSES = "category_names_eng.txt"
CLEAN_LABELS = "clean_label_kv.txt"
NOISY_LABELS = "noisy_label_kv.txt"
CLEAN_TRAIN = "clean_train_key_list.txt"
CLEAN_VALIDATION = "clean_val_key_list.txt"
CLEAN_TEST = "clean_test_key_list.txt"
NOISY_TRAIN = "noisy_train_key_list.txt"

NO_LABEL = "no label"

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
      paths: of the files by name.
    """

    classes: tuple[str, ...]
    clean_labels: Labels
    noisy_labels: Labels
    keys: dict[str, list[str]]
    paths: dict[str, pathlib.Path]


def read_layout(folder: pathlib.Path) -> Layout:
    """Reads the text files, at the folder's root or in `annotations/`.

    Raises:
      UserError: one is missing or UTF-16, or there are no class names, a name twice, or one that is not UTF-8.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: give --data the folder of Clothing1M")
    paths = {name: _find(folder, name) for name in _ALL}
    classes = tuple(filter(None, read_lines(paths[CLASSES])))
    if any(name != text(name) or "\0" in name for name in classes):
        raise UserError(f"{paths[CLASSES]} is not UTF-8 text: save it as UTF-8")
    if not classes or len(set(classes)) < len(classes):
        fault = "names a class twice" if classes else "holds no classes"
        raise UserError(f"{paths[CLASSES]} {fault}: write one class name a line, in the order of the labels")
    return Layout(
        classes,
        _read_labels(paths[CLEAN_LABELS], len(classes)),
        _read_labels(paths[NOISY_LABELS], len(classes)),
        {name: list(map(normalized, filter(None, read_lines(paths[name])))) for name in LISTS},
        paths,
    )


def has_lists(folder: pathlib.Path) -> bool:
    """Whether there is any list of keys, at the folder's root or in `annotations/`."""
    return any((place / name).is_file() for place in (folder, folder / _SUBFOLDER) for name in LISTS)


def counts_from_one(labels: Labels, num_classes: int) -> bool:
    """Whether no label is 0 and some are the number of classes, which is one too many."""
    found = set(labels.values())
    return 0 not in found and _class_id(str(num_classes), num_classes) in found


def read_lines(path: pathlib.Path) -> list[str]:
    """All lines, stripped. Bytes that are not UTF-8 stay what they are, as in file names.

    Raises:
      UserError: the file is UTF-16.
    """
    with open(path, "rb") as opened:
        start = opened.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in start:
        raise UserError(f"{path} is UTF-16, not UTF-8 text: save it as UTF-8")
    content = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    return list(map(str.strip, content.split("\n")))


def normalized(key: str) -> str:
    """One spelling for `images/0/a.jpg` and `./images//0/a.jpg`."""
    return posixpath.normpath(key)


def _find(folder: pathlib.Path, name: str) -> pathlib.Path:
    for path in (folder / name, folder / _SUBFOLDER / name):
        if path.is_file():
            return path
    raise UserError(
        f"{name} is neither in {folder} nor in {folder / _SUBFOLDER}: --data must be a folder in Clothing1M's layout, "
        f"with {', '.join(_ALL)}, or hold folders of the sets with a folder per class, see --help"
    )


def _read_labels(path: pathlib.Path, num_classes: int) -> Labels:
    labels: Labels = {}
    for line in filter(None, read_lines(path)):
        key, label = _key_and_label(line, num_classes)
        key = normalized(key)
        known = labels.setdefault(key, label)
        if known != label:
            labels[key] = known if str(known).startswith(_CONTRADICTORY) else f"{_CONTRADICTORY} ({known} and {label})"
    return labels


def _key_and_label(line: str, num_classes: int) -> tuple[str, int | str]:
    """Keys may have blanks in them, but what follows an image's suffix is a column."""
    key, *number = line.rsplit(maxsplit=1)
    if not number:
        return key, NO_LABEL
    further = next((count for count, word in enumerate(reversed(key.split())) if is_image(word)), 0)
    if further:
        return key.rsplit(maxsplit=further)[0], f"line of {further + 2} columns"
    return key, _class_id(number[0], num_classes)


def _class_id(number: str, num_classes: int) -> int | str:
    try:
        class_id = int(number)
    except ValueError:
        return f"label is no class id ({number!r})"
    return class_id if 0 <= class_id < num_classes else f"label out of range ({class_id} of {num_classes} classes)"
