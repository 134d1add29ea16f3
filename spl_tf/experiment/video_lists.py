"""The lists a recipe starts from: clean target, noisy web, clean test, maybe a validation split of the target."""

import dataclasses
import pathlib
from collections.abc import Collection

import gin

from spl_tf import configuration, files
from spl_tf.demo.rendered_actions import render_actions
from spl_tf.errors import UserError
from spl_tf.remote import mirror

_OF_LISTS = ("video_folder.", "render_actions.")
_SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".jsonl")
_MOST_OTHERS = 6
_MANUAL = "python -m spl_tf.recipe --help says what lies there"


@dataclasses.dataclass(frozen=True)
class VideoLists:
    """Manifests of one experiment.

    A manifest is a list, or a folder whose subfolders are named by class, see `spl_tf.data.lists.rows`.

    Attributes:
      classes: ordered class names, one a line.
      target: small clean training set, column "label".
      web: weakly labelled videos, column "query"; None where nothing is pre-trained.
      test: clean test set, column "label".
      validation: clean videos that are in none of the others, for
        `train_stage.select = 'best'`; None for none.
      web_classes: names of the web set's classes, one a line, where they are others; None for those of the target set.
      both_labels: what carries a clean and a noisy label, see `read_both_labels`; None for none.
      note: one line on how the set came to be, printed with the results.
    """

    classes: pathlib.Path
    target: pathlib.Path
    web: pathlib.Path | None
    test: pathlib.Path
    note: str
    validation: pathlib.Path | None = None
    web_classes: pathlib.Path | None = None
    both_labels: pathlib.Path | None = None


@gin.configurable
def video_folder(
    output_dir: pathlib.Path,
    *,
    folder: files.Path = gin.REQUIRED,
    classes: str = "classes.txt",
    target: str = "target_train.csv",
    web: str | None = "web.csv",
    web_classes: str | None = None,
    test: str = "test.csv",
    validation: str | None = None,
    both_labels: str = "both_labels.csv",
    how_to_get: str = "set video_folder.folder",
) -> VideoLists:
    """Lists that lie in a folder; nothing is written to `output_dir`.

    Args:
      output_dir: unused here; a source that makes its videos puts them there.
      folder: holds the lists; their paths are relative to it.
      classes: file name in it, of a text file with one class a line.
      target: file name in it, of the list of clean training videos with the columns path and label; like every list of
        videos it may be the name of a folder with a subfolder of videos for each class.
      web: file name in it, of the list of web videos with the columns path and query; None for no web set.
      web_classes: file name in it, of a text file with the classes of the web set, one a line, for labels "own"; None
        where they are those of the target set.
      test: file name in it, of the list of clean test videos with the columns path and label.
      validation: file name in it, of a list of clean validation videos with the columns path and label; None for no
        validation.
      both_labels: file name in it, of a list with the columns label and query; few sets have one.
      how_to_get: what to do when the folder or a list is missing.

    Raises:
      UserError: lists are missing; all of them are named.
    """
    del output_dir
    root = mirror.open_folder(folder)
    if not root.is_dir():
        raise UserError(f"{root} is no folder: {how_to_get} ({_MANUAL})")
    names = {"classes": classes, "target": target, "web": web, "test": test, "validation": validation}
    names["web_classes"] = web_classes
    paths = {name: root / file_name for name, file_name in names.items() if file_name is not None}
    are_files = {"classes", "web_classes"}
    there = {name: path.is_file() if name in are_files else path.exists() for name, path in paths.items()}
    if missing := [paths[name].name for name, is_there in there.items() if not is_there]:
        raise UserError(f"{root} has no {', '.join(missing)}{_others(root, paths.values())}: {how_to_get} ({_MANUAL})")
    both = root / both_labels
    return VideoLists(
        classes=paths["classes"],
        target=paths["target"],
        web=paths.get("web"),
        test=paths["test"],
        validation=paths.get("validation"),
        web_classes=paths.get("web_classes"),
        both_labels=both if both.is_file() else None,
        note=f"lists of {folder}",
    )


def _others(folder: pathlib.Path, wanted: Collection[pathlib.Path]) -> str:
    """What else there is that could be a list."""
    found = [path for path in sorted(folder.iterdir()) if path.suffix in _SUFFIXES and path not in wanted]
    names = ", ".join(path.name for path in found[:_MOST_OTHERS])
    return f" (there are {names}{', ...' if len(found) > _MOST_OTHERS else ''})" if found else ""


@gin.configurable
def rendered_videos(output_dir: pathlib.Path) -> VideoLists:
    """Lists of videos made on the spot, as `render_actions` is configured."""
    rendered = render_actions(output_dir)
    note = (
        f"rendered videos, seed {rendered.seed}: the query is wrong for {rendered.noise_rate:.0%} of the web videos' "
        "running time (fixed before the first result)"
    )
    return VideoLists(rendered.classes, rendered.target, rendered.web, rendered.test, note)


def list_settings() -> dict[str, str]:
    """What the configuration says of the lists: the same settings, the same lists."""
    bindings = configuration.stage_bindings("")
    return {name: value for name, value in bindings.items() if name.startswith(_OF_LISTS)}
