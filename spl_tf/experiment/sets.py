"""The shards of an experiment, cut from its lists."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from spl_tf.data.building.shards import summary, write_shards
from spl_tf.data.dataset import load_dataset
from spl_tf.data.lists.class_folders import manifest_digest
from spl_tf.errors import UserError
from spl_tf.experiment.resumable import Clips, Json, run_step
from spl_tf.experiment.video_lists import VideoLists
from spl_tf.labels.classes import read_classes


@dataclasses.dataclass(frozen=True)
class CleanShards:
    """Shards of the clean sets, on which every run is fine-tuned, maybe validated, and tested."""

    target: pathlib.Path
    test: pathlib.Path
    validation: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True)
class WebSet:
    """What labels are made from.

    Attributes:
      shards: of the web set.
      predictions: side-cars of a teacher over it.
      teacher: folder of that teacher, whose features cleaning needs.
      held_out: predictions of the clean set by teachers that did not learn from it, where labels need them.
    """

    shards: pathlib.Path
    predictions: pathlib.Path
    teacher: pathlib.Path
    held_out: pathlib.Path | None = None


def make_clean(
    lists: VideoLists, folder: pathlib.Path, *, fps: float, short_side: int, test_clip_seconds: float = 0.0
) -> CleanShards:
    """Cuts the clean sets as they are given, one record a video, unless the test is of clips.

    Args:
      lists: what there is.
      folder: gets `target`, `test` and `validation`; what is there already stays.
      fps: frames per second.
      short_side: of the frames, pixels.
      test_clip_seconds: length of the clips cut from test videos; 0 for whole ones.
    """

    def made(name: str, manifest: pathlib.Path, **options: float) -> pathlib.Path:
        return make_target(manifest, folder / name, classes=lists.classes, fps=fps, short_side=short_side, **options)

    validation = None if lists.validation is None else made("validation", lists.validation)
    test = made("test", lists.test, clip_seconds=test_clip_seconds)
    return CleanShards(made("target", lists.target), test, validation)


def make_target(
    manifest: pathlib.Path,
    folder: pathlib.Path,
    *,
    classes: pathlib.Path,
    fps: float,
    short_side: int,
    clip_seconds: float = 0.0,
) -> pathlib.Path:
    """Cuts one list of clean videos; options as of `make_clean`."""
    return make_shards(
        manifest,
        folder,
        classes=classes,
        label_column="label",
        clip_seconds=float(clip_seconds),
        fps=fps,
        short_side=short_side,
        keep_duplicates=True,
    )


def make_web(
    lists: VideoLists,
    web: pathlib.Path,
    folder: pathlib.Path,
    *,
    fps: float,
    short_side: int,
    clip_seconds: float,
    clips_per_class: int | None,
) -> pathlib.Path:
    """Cuts the web set, without what the clean sets test on.

    Args:
      lists: what there is.
      web: the list of it that there is.
      folder: gets `web`.
      fps: frames per second.
      short_side: of the frames, pixels.
      clip_seconds: length of the clips; 0 for whole videos, or images.
      clips_per_class: quota; None for all.
    """
    return make_shards(
        web,
        folder / "web",
        classes=lists.web_classes or lists.classes,
        label_column="query",
        clip_seconds=clip_seconds,
        fps=fps,
        short_side=short_side,
        clips_per_class=clips_per_class,
        exclude=[path for path in (lists.test, lists.validation) if path],
    )


def require_comparable(arm: str, lists: VideoLists, web: pathlib.Path | None = None) -> None:
    """Raises UserError unless labels can be compared with a teacher's predictions: one a clip, of the target's classes.

    Args:
      arm: for the message.
      lists: what there is.
      web: shards of the web set, once they are cut.
    """
    fault = ""
    if lists.web_classes is not None:
        fault = f"the web set has classes of its own, {lists.web_classes}"
    elif web is not None and load_dataset(web).multi_label:
        fault = f"{lists.web} has several queries for some videos"
    if fault:
        raise UserError(f"arm {arm!r}: {fault}, but its labels ask a teacher: give it the labels 'own'")


def make_shards(
    manifest: pathlib.Path,
    folder: pathlib.Path,
    *,
    classes: pathlib.Path,
    label_column: str,
    clip_seconds: float,
    fps: float,
    short_side: int,
    clips_per_class: int | None = None,
    exclude: Sequence[pathlib.Path] = (),
    keep_duplicates: bool = False,
) -> pathlib.Path:
    """Cuts a list of videos into shards, as a step; arguments as of `write_shards`."""
    settings: dict[str, Any] = {
        "fps": fps,
        "short_side": short_side,
        "clip_seconds": clip_seconds,
        "label_column": label_column,
        "clips_per_class": clips_per_class,
        "keep_duplicates": keep_duplicates,
    }
    identity = {key: str(value) for key, value in settings.items()}
    sources = {"manifest": manifest, "classes": classes} | {f"without {path.name}": path for path in exclude}
    identity |= {key: manifest_digest(path) for key, path in sources.items()}

    def action() -> Json:
        dataset = write_shards(manifest, folder, classes=read_classes(classes), exclude=exclude, **settings)
        print(summary(dataset), flush=True)
        return {"clips": dataset.num_clips}

    run_step(folder, identity, action, outputs=["dataset.json"], kind=Clips)
    return folder
