"""The shards of an experiment, cut from its lists."""

import functools
import pathlib

from spl_tf.experiment.tasks import CleanShards, make_shards
from spl_tf.experiment.video_lists import VideoLists


def make_sets(
    lists: VideoLists,
    folder: pathlib.Path,
    *,
    fps: float,
    short_side: int,
    with_web: bool = True,
    web_clip_seconds: float = 10.0,
    web_clips_per_class: int | None = None,
) -> tuple[CleanShards, pathlib.Path | None]:
    """Cuts the clean sets as they are given, one record a video, and the web set without what the clean ones test on.

    Args:
      lists: what there is.
      folder: gets `target`, `test`, `validation` and `web`; what is there already stays.
      fps: frames per second.
      short_side: of the frames, pixels.
      with_web: whether the web set is wanted.
      web_clip_seconds: length of the clips cut from web videos.
      web_clips_per_class: quota of web clips of a class; None for all.

    Returns:
      The folders of the clean sets, and that of the web set or None.
    """
    make = functools.partial(make_shards, classes=lists.classes, fps=fps, short_side=short_side)

    def clean(name: str, manifest: pathlib.Path | None) -> pathlib.Path | None:
        if manifest is None:
            return None
        return make(manifest, folder / name, label_column="label", clip_seconds=0.0, keep_duplicates=True)

    sets = CleanShards(clean("target", lists.target), clean("test", lists.test), clean("validation", lists.validation))
    if not with_web:
        return sets, None
    web = make(
        lists.web,
        folder / "web",
        label_column="query",
        clip_seconds=web_clip_seconds,
        clips_per_class=web_clips_per_class,
        exclude=[path for path in (lists.test, lists.validation) if path],
    )
    return sets, web
