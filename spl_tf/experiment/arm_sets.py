"""The lists and shards of an experiment's arms, made once for all that have the same."""

import contextlib
import pathlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from spl_tf import configuration, files
from spl_tf.errors import UserError
from spl_tf.experiment.arms import Arm
from spl_tf.experiment.sets import CleanShards, make_clean, make_web, require_comparable
from spl_tf.experiment.shared import CLEAN, WEB, shared_places
from spl_tf.experiment.video_lists import VideoLists, list_settings


class ArmSets:
    """The videos that arms train and test on, in `videos` and `shards` of one folder, or of those that arms share.

    Args:
      output_dir: everything is written below it.
      arms: all of the experiment; which of them share what depends on all.
      videos: makes or finds the lists of videos.
      fps: frames per second of the shards.
      short_side: of their frames, pixels.
      web_clip_seconds: length of the clips cut from web videos; 0 for whole ones.
      test_clip_seconds: likewise from test videos.
      hold: keeps other processes out of a folder, as `files.locked` with `wait`; by default there are no others.

    Attributes:
      arms: those, with the first rounds of a later one, which are run too.
      places: of their shared steps, see `shared_places`.

    Raises:
      UserError: arms share what differs, see `shared_places`.
    """

    def __init__(
        self,
        output_dir: files.Path,
        arms: Sequence[Arm],
        *,
        videos: Callable[[pathlib.Path], VideoLists],
        fps: float,
        short_side: int,
        web_clip_seconds: float = 10.0,
        test_clip_seconds: float = 0.0,
        hold: Callable[[pathlib.Path], AbstractContextManager[Any]] = contextlib.nullcontext,
    ):
        self.output_dir = pathlib.Path(output_dir)
        self.arms = tuple(dict.fromkeys(each for arm in arms for each in arm.with_earlier_rounds()))
        self.places = shared_places(self.arms)
        self.fps, self.short_side = fps, short_side
        self.web_clip_seconds, self.test_clip_seconds = web_clip_seconds, test_clip_seconds
        self.hold = hold
        self._videos = videos
        self._lists: dict[tuple[tuple[str, str], ...], VideoLists] = {}  # By settings.

    def lists(self, arm: Arm) -> VideoLists:
        """Made once for all arms that have the same."""
        with configuration.overridden(arm.bindings):
            key = tuple(sorted(list_settings().items()))
            if key not in self._lists:
                self._lists[key] = self._videos(self.output_dir / self.places[arm][CLEAN] / "videos")
        lists = self._lists[key]
        if arm.needs_web and lists.web is None:
            raise UserError(f"arm {arm.name!r}: there is no web set, only 'none' can be run: give the lists one")
        if arm.asks_predictions:
            require_comparable(arm.name, lists)
        return lists

    def clean(self, arm: Arm) -> CleanShards:
        """Cuts the clean sets."""
        folder = self.output_dir / self.places[arm][CLEAN] / "shards"
        with self.hold(folder):
            lists, seconds = self.lists(arm), self.test_clip_seconds
            return make_clean(lists, folder, fps=self.fps, short_side=self.short_side, test_clip_seconds=seconds)

    def web(self, arm: Arm) -> pathlib.Path:
        """Cuts the web set."""
        folder = self.output_dir / self.places[arm][WEB] / "shards"
        lists = self.lists(arm)
        assert lists.web is not None  # It would have been refused.
        with self.hold(folder):
            web = make_web(
                lists,
                lists.web,
                folder,
                fps=self.fps,
                short_side=self.short_side,
                clip_seconds=self.web_clip_seconds,
                clips_per_class=arm.web_clips_per_class,
            )
        if arm.asks_predictions:
            require_comparable(arm.name, lists, web)
        return web
