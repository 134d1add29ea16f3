"""Makes the paper's problem as real video files: few clean videos, many untrimmed ones whose query is often wrong.

Nothing is downloaded. An upload is several shots of `action_drawing` one after the other; its query's action fills
`1 - noise_rate` of the query's running time, the rest is temporal noise (paper sections 1 and 3.1).
"""

import csv
import dataclasses
import pathlib
from collections.abc import Sequence

import cv2
import gin
import numpy as np
import tqdm

from spl_tf import files
from spl_tf.data.video.writing import write_video
from spl_tf.demo import action_drawing
from spl_tf.demo.action_drawing import BACKGROUND, CLASSES, FRAME_RATE
from spl_tf.errors import UserError
from spl_tf.stored import read_json

_FORMAT_VERSION = 1

# Every query has a class it is mixed up with, as a query for a violin finds pianos.
CONFUSED_WITH = {
    "slides": "bobs",
    "bobs": "slides",
    "circles": "spins",
    "spins": "circles",
    "zooms": "blinks",
    "blinks": "zooms",
}
_CONFUSED_SHARE = 0.5
_BACKGROUND_SHARE = 0.25
"""Shares of a query's noise; what is left is spread over the other classes."""

_CLEAN_SECONDS = (2.0, 3.0)
_SHOT_SECONDS = (3.0, 6.0)
_SHOTS = (5, 7)
_LANGUAGES = ("en", "es", "fr", "pt")


@dataclasses.dataclass(frozen=True)
class RenderedSet:
    """Where a rendered set lies, and the two settings that a result must be read with.

    target and test are manifests `path,label`; web is one of
    `video_id,path,query,language,rank,address`, as a crawl writes it. truth
    (`video_id,start,end,action`, seconds) is for analysis, never for training.
    """

    folder: pathlib.Path
    classes: pathlib.Path
    target: pathlib.Path
    test: pathlib.Path
    web: pathlib.Path
    truth: pathlib.Path
    seed: int
    noise_rate: float


@dataclasses.dataclass(frozen=True)
class Shot:
    """A stretch of an upload that shows one action (or BACKGROUND), in frames."""

    action: str
    num_frames: int


@gin.configurable
def render_actions(
    output_dir: files.Path,
    *,
    seed: int = 1,
    noise_rate: float = 0.6,
    target_per_class: int = 15,
    test_per_class: int = 30,
    web_per_class: int = 14,
) -> RenderedSet:
    """Renders target, test and web videos below a folder, unless they are there already.

    The same arguments give the same files. The marker `rendered.json` is written last: a run that was stopped starts
    again.

    Args:
      output_dir: the folder; made when missing.
      seed: decides every video.
      noise_rate: share of a query's running time that does not show the query's action, in [0, 1).
      target_per_class: clean training videos of a class.
      test_per_class: clean test videos of a class.
      web_per_class: uploads of a query, 27 seconds each on average.

    Raises:
      UserError: an argument is out of its range, or the folder holds a set with other settings.
    """
    folder = pathlib.Path(output_dir)
    settings = {
        "format_version": _FORMAT_VERSION,
        "seed": seed,
        "noise_rate": noise_rate,
        "target_per_class": target_per_class,
        "test_per_class": test_per_class,
        "web_per_class": web_per_class,
    }
    rendered = RenderedSet(
        folder=folder,
        classes=folder / "classes.txt",
        target=folder / "target.csv",
        test=folder / "test.csv",
        web=folder / "web.csv",
        truth=folder / "truth.csv",
        seed=seed,
        noise_rate=noise_rate,
    )
    _check(settings)
    marker = folder / "rendered.json"
    if not _already_rendered(marker, settings):
        _render(rendered, target_per_class, test_per_class, web_per_class)
        for half_written in folder.rglob(files.TEMPORARY):  # What a killed run was writing.
            half_written.unlink(missing_ok=True)
        files.write_json(marker, settings)
    return rendered


def plan_uploads(query: str, num_uploads: int, noise_rate: float, rng: np.random.Generator) -> list[list[Shot]]:
    """Shots of all uploads of a query, with the wanted share of running time for each action.

    The order of the shots is chance, so uploads differ in how right their query is.
    """
    num_shots = rng.integers(_SHOTS[0], _SHOTS[1] + 1, num_uploads)
    lengths = np.rint(rng.uniform(*_SHOT_SECONDS, num_shots.sum()) * FRAME_RATE).astype(int)
    shares = _time_shares(query, noise_rate)
    missing = {action: share * lengths.sum() for action, share in shares.items()}
    actions = [""] * len(lengths)
    for position in rng.permutation(len(lengths)):
        action = max(missing, key=missing.__getitem__)
        missing[action] -= lengths[position]
        actions[position] = action
    shots = [Shot(action, int(length)) for action, length in zip(actions, lengths, strict=True)]
    ends = np.cumsum(num_shots)
    return [shots[end - count : end] for end, count in zip(ends, num_shots, strict=True)]


def _time_shares(query: str, noise_rate: float) -> dict[str, float]:
    """Share of a query's running time per action, the sum is 1."""
    confused = CONFUSED_WITH[query]
    others = [action for action in CLASSES if action not in (query, confused)]
    other_share = (1 - _CONFUSED_SHARE - _BACKGROUND_SHARE) / len(others)
    return {
        query: 1 - noise_rate,
        confused: noise_rate * _CONFUSED_SHARE,
        BACKGROUND: noise_rate * _BACKGROUND_SHARE,
        **dict.fromkeys(others, noise_rate * other_share),
    }


def _check(settings: dict) -> None:
    if not 0 <= settings["noise_rate"] < 1:
        raise UserError(f"render_actions.noise_rate is {settings['noise_rate']}: it must be at least 0 and below 1")
    least = {"seed": 0, "target_per_class": 1, "test_per_class": 1, "web_per_class": 1}
    for name, bound in least.items():
        if settings[name] < bound:
            raise UserError(f"render_actions.{name} is {settings[name]}: it must be at least {bound}")


def _already_rendered(marker: pathlib.Path, settings: dict) -> bool:
    if not marker.exists():
        return False
    remedy = f"delete {marker} alone and run again: the same videos are rendered"
    found = read_json(marker, dict[str, int | float], remedy)
    if found == settings:
        return True
    differing = [f"{name} {found.get(name)}" for name in settings if found.get(name) != settings[name]]
    wanted = [f"{name} {settings[name]}" for name in settings if found.get(name) != settings[name]]
    raise UserError(
        f"{marker.parent} holds videos rendered with {', '.join(differing)}, not {', '.join(wanted)}: "
        "choose another folder, or move this one away"
    )


def _render(rendered: RenderedSet, target_per_class: int, test_per_class: int, web_per_class: int) -> None:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # The pictures are small: more threads cost time.
    total = len(CLASSES) * (target_per_class + test_per_class + web_per_class)
    try:
        with tqdm.tqdm(total=total, desc="rendering", unit="video") as progress:
            _render_clean(rendered.target, target_per_class, (rendered.seed, 0), progress)
            _render_clean(rendered.test, test_per_class, (rendered.seed, 1), progress)
            _render_web(rendered, web_per_class, (rendered.seed, 2), progress)
    finally:
        cv2.setNumThreads(threads)
    files.write_lines(rendered.classes, CLASSES)


def _render_clean(manifest: pathlib.Path, per_class: int, seed: Sequence[int], progress: tqdm.tqdm) -> None:
    """Trimmed videos of one shot each, and their manifest."""
    rows = [("path", "label")]
    for class_id, action in enumerate(CLASSES):
        for index in range(per_class):
            rng = np.random.default_rng((*seed, class_id, index))
            num_frames = round(rng.uniform(*_CLEAN_SECONDS) * FRAME_RATE)
            path = f"{manifest.stem}/{action}_{index:03d}.mp4"
            write_video(manifest.parent / path, action_drawing.draw_action(action, num_frames, rng), FRAME_RATE)
            rows.append((path, action))
            progress.update()
    _write_csv(manifest, rows)


def _render_web(rendered: RenderedSet, per_class: int, seed: Sequence[int], progress: tqdm.tqdm) -> None:
    """Uploads of every query, their manifest and what they really show."""
    uploads: list[tuple[str | int, ...]] = [("video_id", "path", "query", "language", "rank", "address")]
    truth = [("video_id", "start", "end", "action")]
    for class_id, query in enumerate(CLASSES):
        plan = plan_uploads(query, per_class, rendered.noise_rate, np.random.default_rng((*seed, class_id)))
        for index, shots in enumerate(plan):
            rng = np.random.default_rng((*seed, class_id, index))
            video_id = f"{query}{index:03d}"
            path = f"{rendered.web.stem}/{video_id}.mp4"
            frames = [action_drawing.draw_action(shot.action, shot.num_frames, rng) for shot in shots]
            write_video(rendered.folder / path, np.concatenate(frames), FRAME_RATE)
            uploads.append((video_id, path, query, str(rng.choice(_LANGUAGES)), index + 1, f"watch?v={video_id}"))
            cuts = np.cumsum([0] + [shot.num_frames for shot in shots]) / FRAME_RATE
            for shot, start, end in zip(shots, cuts, cuts[1:], strict=False):
                truth.append((video_id, f"{start:.3f}", f"{end:.3f}", shot.action))
            progress.update()
    _write_csv(rendered.truth, truth)
    _write_csv(rendered.web, uploads)


def _write_csv(path: pathlib.Path, rows: Sequence[Sequence]) -> None:
    with files.atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        csv.writer(opened, lineterminator="\n").writerows(rows)
