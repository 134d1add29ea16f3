"""Folders of tiny videos or images that the arms of a paper's table can run on: noise, nothing to learn."""

import ast
import dataclasses
import math
import os
import pathlib
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from spl_tf import configuration, files
from spl_tf.data.video.writing import write_video
from spl_tf.experiment.arms import Arm

_FRAME_RATE = 5
_HEIGHT, _WIDTH = 36, 48
_TARGET_FRAMES, _WEB_FRAMES = 10, 20
_WEB_VIDEOS = 2  # Of a class.
_LEAST_CLASSES = 4


@dataclasses.dataclass(frozen=True)
class SmokeSet:
    """What an arm asks of its data.

    Attributes:
      num_classes: enough for its number of labels, which N classes give up to N * N of.
      background: a class that some metrics leave out, or None.
      web: name of the list of web videos, or None.
      target: name of the list of target videos.
      test: name of the list of test videos.
      validation: name of a list of others, or None.
      images: whether there are images in place of videos.
      web_classes: name of the list of the web set's classes, two of which each of its videos has; None where each has
        one of the target's.
    """

    num_classes: int
    background: str | None
    web: str | None
    target: str = "target_train.csv"
    test: str = "test.csv"
    validation: str | None = None
    images: bool = False
    web_classes: str | None = None


def wanted_sets(arms: Sequence[Arm]) -> list[tuple[str, SmokeSet]]:
    """Folder and set of each arm of the parsed recipe; sets in one folder have the classes of the largest."""
    wanted = []
    for arm in arms:
        with configuration.overridden(arm.bindings):
            bindings = configuration.stage_bindings("finetune")
        folder = ast.literal_eval(bindings["video_folder.folder"])
        wanted.append((folder, wanted_set(bindings, arm.num_labels)))
    most = {folder: max(one.num_classes for other, one in wanted if other == folder) for folder, _ in wanted}
    return [(folder, dataclasses.replace(one, num_classes=most[folder])) for folder, one in wanted]


def wanted_set(bindings: Mapping[str, str], num_labels: int | None) -> SmokeSet:
    """The set for an arm.

    Args:
      bindings: of the fine-tuning, as `configuration.stage_bindings` has them.
      num_labels: of the arm.
    """

    def value(name: str, default: str | int | None) -> str | int | None:
        return ast.literal_eval(bindings[name]) if name in bindings else default

    num_classes = max(_LEAST_CLASSES, math.ceil(math.sqrt(num_labels or 0)))
    names = ("target", "test", "validation")
    lists = {name: value(f"video_folder.{name}", getattr(SmokeSet, name)) for name in names}
    background, web = value("evaluate_model.background", None), value("video_folder.web", "web.csv")
    images = value("train_stage.num_frames", None) == 1
    web_classes = value("video_folder.web_classes", None)
    return SmokeSet(num_classes, background, web, **lists, images=images, web_classes=web_classes)


def write_set(wanted: SmokeSet, folder: pathlib.Path) -> None:
    """Writes classes.txt and the lists with their videos; what is there stays."""
    names = [f"action {number}" for number in range(wanted.num_classes)]
    if wanted.background:
        names[-1] = wanted.background
    clean = filter(None, (wanted.target, wanted.test, wanted.validation))
    lists = dict.fromkeys(clean, ("label", 1, _TARGET_FRAMES))
    if wanted.images:
        pairs = "".join(f"{name},{name}\n" for name in names)
        files.write_text(folder / "both_labels.csv", f"label,query\n{pairs}")
    if wanted.web:
        lists[wanted.web] = ("query", _WEB_VIDEOS, _WEB_FRAMES)
    if wanted.web_classes:
        files.write_text(folder / wanted.web_classes, "\n".join(map(_tag, names)) + "\n")
    for list_name, (column, count, num_frames) in lists.items():
        if (folder / list_name).exists():
            continue
        rows = [f"path,{column}"]
        here = (folder / list_name).parent
        for label, name in enumerate(names):
            if list_name == wanted.web and wanted.web_classes:
                name = f"{_tag(name)}|{_tag(names[label - 1])}"
            for number in range(count):
                path = f"videos/{column}_{list_name.removesuffix('.csv')}_{label}_{number}"
                path += ".png" if wanted.images else ".mp4"
                seed = [len(list_name), *list_name.encode(), label, number]
                frames = _moving_noise(np.random.default_rng(seed), num_frames)
                if wanted.images:
                    with files.atomic_path(folder / path) as temporary:
                        cv2.imwrite(str(temporary), frames[0])
                else:
                    write_video(folder / path, frames, _FRAME_RATE)
                rows.append(f"{os.path.relpath(folder / path, here)},{name}")
        files.write_text(folder / list_name, "\n".join(rows) + "\n")
    files.write_text(folder / "classes.txt", "\n".join(names) + "\n")


def _tag(class_name: str) -> str:
    return f"tag {class_name}"


def _moving_noise(random: np.random.Generator, num_frames: int) -> np.ndarray:
    """uint8 [T, H, W, 3]: coarse noise that flows into other noise, unlike any other video's."""
    keys = random.integers(0, 256, (2 + num_frames // 5, 4, 6, 3)).astype(np.float32)
    frames = []
    for time in np.linspace(0, len(keys) - 1.001, num_frames):
        before, share = int(time), time % 1
        blended = (1 - share) * keys[before] + share * keys[before + 1]
        frames.append(cv2.resize(blended, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC))
    return np.clip(np.stack(frames), 0, 255).astype(np.uint8)
