"""The lists a recipe starts from: clean target, noisy web, clean test, maybe a validation split of the target."""

import dataclasses
import pathlib

import gin

from spl_tf import configuration, files
from spl_tf.demo.rendered_actions import render_actions
from spl_tf.errors import UserError

_OF_LISTS = ("video_folder.", "render_actions.")


@dataclasses.dataclass(frozen=True)
class VideoLists:
    """Manifests of one experiment.

    Attributes:
      classes: ordered class names, one a line.
      target: small clean training set, column "label".
      web: weakly labelled videos, column "query"; None where nothing is pre-trained.
      test: clean test set, column "label".
      validation: clean videos that are in none of the others, for
        `train_stage.select = 'best'`; None for none.
      both_labels: what carries a clean and a noisy label, see `read_both_labels`; None for none.
      note: one line on how the set came to be, printed with the results.
    """

    classes: pathlib.Path
    target: pathlib.Path
    web: pathlib.Path | None
    test: pathlib.Path
    note: str
    validation: pathlib.Path | None = None
    both_labels: pathlib.Path | None = None


@gin.configurable
def video_folder(
    output_dir: pathlib.Path,
    *,
    folder: files.Path = gin.REQUIRED,
    classes: str = "classes.txt",
    target: str = "target_train.csv",
    web: str | None = "web.csv",
    test: str = "test.csv",
    validation: str | None = None,
    both_labels: str = "both_labels.csv",
    how_to_get: str = "set video_folder.folder",
) -> VideoLists:
    """Lists that lie in a folder; nothing is written to `output_dir`.

    Args:
      output_dir: unused here; a source that makes its videos puts them there.
      folder: holds the lists; their paths are relative to it.
      classes, target, web, test, validation: file names in it; None for no web set, no validation.
      both_labels: file name in it, of a list that few sets have.
      how_to_get: what to do when the folder is missing.

    Raises:
      UserError: a list is missing.
    """
    del output_dir

    def listed(name: str) -> pathlib.Path:
        path = pathlib.Path(folder, name)
        if not path.is_file():
            raise UserError(f"{path} does not exist: {how_to_get}")
        return path

    both = pathlib.Path(folder, both_labels)
    return VideoLists(
        classes=listed(classes),
        target=listed(target),
        web=None if web is None else listed(web),
        test=listed(test),
        validation=None if validation is None else listed(validation),
        both_labels=both if both.is_file() else None,
        note=f"lists of {folder}",
    )


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
