"""The settings that decide the content of the shards: checked, stored, and compared before a run goes on."""

import dataclasses
import pathlib
from typing import Any

import av
import cv2

from spl_tf import files
from spl_tf.data.building.cutting import ClipFormat
from spl_tf.data.duplicates import fingerprints
from spl_tf.data.lists.class_folders import manifest_digest
from spl_tf.errors import UserError
from spl_tf.stored import is_name


@dataclasses.dataclass(frozen=True)
class Settings:
    """What `write_shards` was asked for, by the names of its arguments.

    Raises:
      UserError: a value is out of its range.
    """

    manifest: str
    manifest_sha256: str
    label_column: str
    classes: tuple[str, ...]
    clip_seconds: float
    fps: float
    short_side: int
    jpeg_quality: int
    clips_per_class: int | None
    num_shards: int | None
    exclude_sha256: tuple[str, ...]
    seed: int
    keep_duplicates: bool = False
    fingerprint_version: int = fingerprints.VERSION
    frames_fps: float | None = None
    decoder: str = f"PyAV {av.__version__}, OpenCV {cv2.__version__}"

    def __post_init__(self):
        for name, allowed, what in (
            ("manifest", is_name(self.manifest), "a name without slashes and control characters, for shards get it"),
            ("clip_seconds", 0 <= self.clip_seconds <= 86_400, "0 (the whole video) or up to 86400 seconds"),
            ("fps", 0 < self.fps <= 1000, "above 0 and at most 1000"),
            ("frames_fps", self.frames_fps is None or 0.001 <= self.frames_fps <= 1000, "0.001 to 1000"),
            ("short_side", 1 <= self.short_side <= 8192, "1 to 8192 pixels"),
            ("jpeg_quality", 1 <= self.jpeg_quality <= 100, "1 to 100"),
            ("clips_per_class", self.clips_per_class is None or self.clips_per_class >= 1, "at least 1"),
            ("num_shards", self.num_shards is None or 1 <= self.num_shards <= 99_999, "1 to 99999"),
            ("seed", self.seed >= 0, "0 or more"),
        ):
            if not allowed:
                raise UserError(f"{name} is {getattr(self, name)}: it must be {what}")
        if 0 < self.clip_seconds < 1 / self.fps:
            raise UserError(f"clip_seconds is {self.clip_seconds}: shorter than one frame at {self.fps} fps")

    @property
    def clip_format(self) -> ClipFormat:
        return ClipFormat(self.clip_seconds, self.fps, self.short_side, self.jpeg_quality)

    def as_json(self) -> dict[str, Any]:
        lists = {"classes": list(self.classes), "exclude_sha256": list(self.exclude_sha256)}
        return {**dataclasses.asdict(self), **lists}


def settings_of(manifest: files.Path, **settings: Any) -> Settings:
    """Settings of a run on this manifest: to move it changes nothing, to rename or edit it does.

    Raises:
      UserError: the manifest is no file, or a setting is out of its range.
    """
    path = pathlib.Path(manifest)
    if not (path.is_file() or path.is_dir()):
        raise UserError(f"manifest {path} is no file: check --manifest")
    name = path.resolve().name if path.is_dir() else path.stem
    return Settings(manifest=name, manifest_sha256=manifest_digest(path), **settings)


def require_same_settings(settings: Settings, stored: Any, folder: files.Path) -> None:
    """Raises a UserError that names the first setting in which a folder's shards differ from this run."""
    stored = stored if isinstance(stored, dict) else {}
    for name, value in settings.as_json().items():
        if stored.get(name) == value:
            continue
        difference = {
            "manifest_sha256": "another content of the manifest",
            "classes": "another list of classes",
            "exclude_sha256": "another --exclude",
        }.get(name, f"{name} {stored.get(name)}, not {value}")
        raise UserError(f"{folder} holds shards made with {difference}: choose another --output_dir, or empty this one")
