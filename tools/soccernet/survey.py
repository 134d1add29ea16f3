"""Looks through the games: annotations, videos and their lengths become clips, the rest becomes problems."""

import math
import os
import pathlib
from collections.abc import Iterable, Sequence

import tqdm

from spl_tf.data.building.cutting import probe
from spl_tf.data.manifest import Video
from spl_tf.data.workers import Failure, run_in_workers
from tools.soccernet import annotations, games
from tools.soccernet.clips import Clip, Half, Survey, around, background_clips

_SECONDS_PER_VIDEO = 120.0
# Labels.json counts whole seconds, and a half's last event may be its whistle.
_LATE_MS = 1000


def survey(
    root: pathlib.Path,
    wanted: Sequence[str],
    *,
    labels: str | None,
    resolution: str,
    clip_ms: int,
    distance_ms: int,
    background: int | None,
    seed: int,
) -> Survey:
    """Finds the clips of the wanted games.

    Args:
      root: SoccerNet's folder.
      wanted: games, as paths below it.
      labels: "v1", "v2", or None for the later version of each game.
      resolution: preferred video of a half, of `games.RESOLUTIONS`.
      clip_ms: length of a clip, milliseconds.
      distance_ms: from Background to whatever is annotated, milliseconds.
      background: number of its clips; None for the rounded mean of the other classes.
      seed: of the draw of Background.
    """
    annotated: dict[str, annotations.GameEvents] = {}
    videos: dict[tuple[str, int], list[str]] = {}
    problems: list[annotations.Problem] = []
    for game in tqdm.tqdm(wanted, desc="reading annotations", unit="game"):
        folder = root / game
        fault = games.fault_of(folder, game)
        if fault:
            problems.append(fault)
            continue
        events, faults = annotations.read_game(folder, game, labels)
        problems += faults
        if events is not None:
            annotated[game] = events
            found, faults = games.find_videos(folder, game, resolution)
            problems += faults
            videos |= {(game, half): paths for half, paths in found.items()}
    halves, faults = _probe(videos)
    problems += faults
    clips, faults = _event_clips(halves, annotated, clip_ms)
    problems += faults
    count = round(len(clips) / (len(annotations.CLASSES) - 1)) if background is None else background
    moments = {
        half: [time_ms for number, time_ms in annotated[half.game].moments if number == half.number]
        for half in halves.values()
        if annotated[half.game].is_complete
    }
    clips += background_clips(moments, clip_ms, distance_ms, count, seed)
    clips.sort(key=lambda clip: (clip.half.game, clip.half.number, clip.start_ms, clip.class_name))
    return Survey(clips, problems, count)


def _probe(videos: dict[tuple[str, int], list[str]]) -> tuple[dict[tuple[str, int], Half], list[annotations.Problem]]:
    """The halves with the first of their videos that can be opened and its length, and the videos that cannot."""
    halves, problems = {}, []
    while videos:
        firsts = {key: paths[0] for key, paths in videos.items()}
        jobs = [Video(path, path, path, (0,), ("",), 0.0, math.inf, ()) for path in firsts.values()]
        probes = run_in_workers(probe, jobs, num_workers=os.cpu_count() or 1, seconds_per_job=_SECONDS_PER_VIDEO)
        for (key, path), found in zip(
            firsts.items(), tqdm.tqdm(probes, total=len(jobs), desc="probing", unit="video"), strict=True
        ):
            if isinstance(found, Failure):
                reason = f"video not readable ({found.kind} {found.detail}".rstrip() + ")"
                problems.append(annotations.Problem(reason, *key, source=os.path.basename(path)))
            else:
                halves[key] = Half(*key, path, found.end_us // 1000)
        videos = {key: paths[1:] for key, paths in videos.items() if key not in halves and paths[1:]}
    return halves, problems


def _event_clips(
    halves: dict[tuple[str, int], Half], annotated: dict[str, annotations.GameEvents], clip_ms: int
) -> tuple[list[Clip], list[annotations.Problem]]:
    clips, problems = [], []
    for game, event in _events(annotated):
        half = halves.get((game, event.half))
        if half is None:
            reason = "event of a half without video"
        elif event.time_ms > half.length_ms + _LATE_MS:
            reason = f"event outside of the video (which ends at {half.length_ms / 1000:.3f} s)"
        else:
            times = around(event.time_ms, clip_ms, half.length_ms)
            clips.append(Clip(half, *times, event.class_name, event.time_ms, event.label))
            continue
        problems.append(annotations.problem_of(event, reason, game))
    return clips, problems


def _events(annotated: dict[str, annotations.GameEvents]) -> Iterable[tuple[str, annotations.Event]]:
    return ((game, event) for game, found in annotated.items() for event in found.events)
