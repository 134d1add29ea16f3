"""A folder whose subfolders are named by class, in place of a manifest: every file below one is a row."""

import hashlib
import os
import pathlib
from collections.abc import Collection, Iterator

from spl_tf import files
from spl_tf.data.file_kinds import is_image
from spl_tf.data.lists.csv_tables import PATH
from spl_tf.data.lists.labels import texts
from spl_tf.errors import UserError


def class_folder_rows(root: pathlib.Path, label_column: str, *, with_frame_folders: bool) -> Iterator[dict[str, str]]:
    """One row per file, by path: its path below the folder, and the subfolder it lies in as its label.

    Files of every kind are rows, so that those that show nothing are rejected by name. A file beside the subfolders
    has no label. Links are followed.

    Args:
      root: the folder.
      label_column: gets the subfolder's name.
      with_frame_folders: a folder of images, deeper than the class's own, is one row.

    Raises:
      OSError: a folder cannot be read.
    """
    for place, names in _walk(root):
        parts = pathlib.PurePath(place).parts
        label = parts[0] if parts else ""
        if with_frame_folders and len(parts) > 1 and any(map(is_image, names)):
            yield {PATH: place, label_column: label}
            continue
        for name in names:
            yield {PATH: os.path.join(place, name), label_column: label}


def check_class_folders(root: pathlib.Path, labels: Collection[str], class_ids: Collection[str]) -> None:
    """Makes sure that a folder has subfolders of the classes, and prints which hold no file.

    Args:
      root: the folder.
      labels: of its rows.
      class_ids: labels that are classes.

    Raises:
      UserError: no label is a class.
    """
    used = set(labels)
    if not any(name in class_ids for label in used for name in texts(label, class_ids)):
        has = ", ".join(sorted(filter(None, used))[:3]) or "no subfolder with files"
        raise UserError(f"{root} is a folder without a subfolder named by a class (it has {has}): check --manifest")
    empty = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and entry.name not in used)
    if empty:
        print(f"{root}: {len(empty):,} folders hold no file: {', '.join(empty[:5])}{', ...' if empty[5:] else ''}")


def manifest_digest(path: files.Path) -> str:
    """SHA-256 of a manifest, or of the names and sizes of all files of a folder that stands in for one."""
    root = pathlib.Path(path)
    if not root.is_dir():
        return files.sha256(path)
    digest = hashlib.sha256()
    for place, names in _walk(root):
        for name in names:
            file = root / place / name
            size = file.stat().st_size if file.exists() else -1
            digest.update(f"{place}\0{name}\0{size}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _walk(root: pathlib.Path) -> Iterator[tuple[str, list[str]]]:
    """Each folder from `root` on, as a path below it, with the sorted names of its files."""

    def fail(error: OSError) -> None:
        raise error

    seen = set()
    for place, folders, names in os.walk(root, followlinks=True, onerror=fail):
        seen.add(os.path.realpath(place))
        # A link back to where it lies would go round in circles.
        folders[:] = sorted(name for name in folders if os.path.realpath(os.path.join(place, name)) not in seen)
        below = os.path.relpath(place, root)
        yield "" if below == "." else below, sorted(names)
