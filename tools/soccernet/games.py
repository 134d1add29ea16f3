"""Which games there are, which belong to a split, and which file shows a half."""

import os
import pathlib
import re

from spl_tf.data.lists.csv_tables import text
from spl_tf.errors import UserError
from tools.collect import results
from tools.soccernet.annotations import FILES, Problem

HALVES = (1, 2)

# What follows the half's number in a file's name, the best first. `1.mkv` is the 224p video of the first release.
_PREFERRED = {"224p": ("_224p", "", "_720p"), "720p": ("_720p", "_224p", "")}
RESOLUTIONS = tuple(_PREFERRED)
# As it was broadcast: it begins before the half, so that the annotated times are not its own.
_UNTRIMMED = "_HQ"

_VIDEO_NAME = re.compile(r"[12](_224p|_720p|_HQ)?\.\w+")


def in_split(split: str) -> list[str]:
    """The games of an official split, as the SoccerNet package lists them.

    Args:
      split: "train", "valid" or "test".

    Raises:
      UserError: the package is not installed.
    """
    try:
        from SoccerNet.utils import getListGames
    except ImportError as error:
        raise UserError(
            f"--split={split} needs the list of the SoccerNet package ({error}): pip install SoccerNet, or give "
            "--games_list"
        ) from error
    return [game.replace(os.sep, "/") for game in getListGames(split)]


def in_list(path: pathlib.Path) -> tuple[list[str], list[Problem]]:
    """The games of a text file, one a line, in its order, and the lines that name none or repeat one.

    Raises:
      UserError: the file is missing, is no UTF-8 text, or names no game.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"{path} is no file: check --games_list") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: give one game a line, e.g. england_epl/2014-2015/...") from error
    games: dict[str, int] = {}
    problems = []
    for number, line in enumerate(lines, 1):
        game = line.strip().replace("\\", "/").rstrip("/")
        source = f"{path} line {number}"
        if not game:
            continue
        if ".." in game.split("/") or game.startswith("/"):
            problems.append(Problem("game outside of the folder", game, source=source))
        elif games.setdefault(game, number) != number:
            problems.append(Problem(f"repeated game (see line {games[game]})", game, source=source))
    if not games:
        raise UserError(f"{path} names no game: give one game a line, e.g. england_epl/2014-2015/...")
    return list(games), problems


def in_folder(root: pathlib.Path) -> list[str]:
    """All games of a folder, sorted.

    These are the folders below it with annotations or a half's video. Where none of them lies above, also those that
    hold no other folder or cannot be read: the survey says what they lack.

    Raises:
      UserError: the folder is itself a game.
    """
    games: set[pathlib.Path] = set()
    others: list[pathlib.Path] = []
    for path, folders, names in os.walk(root, onerror=lambda error: others.append(pathlib.Path(error.filename))):
        place = pathlib.Path(path)
        folders[:] = [folder for folder in folders if not folder.startswith(".")]  # Such as a download's cache.
        if any(name in FILES.values() or _VIDEO_NAME.fullmatch(name) for name in names):
            games.add(place)
        elif not folders:
            others.append(place)
    if root in games:
        raise UserError(f"{root} is itself a game: give the folder of leagues, --games=SoccerNet")
    found = [*games, *(place for place in others if games.isdisjoint(place.parents))]
    return sorted(place.relative_to(root).as_posix() for place in found)


def fault_of(folder: pathlib.Path, game: str) -> Problem | None:
    """Why nothing of a game can be used, if so."""
    try:
        # With the dot its files must be in reach, too, not only their names.
        os.listdir(os.path.join(folder, os.curdir))
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: no system has such a name.
        return Problem("game not in the folder", game)
    except OSError as error:
        return Problem(f"folder not readable ({error.strerror})", game)
    # No manifest can hold a name that is not UTF-8.
    return Problem("unusable file name", game) if str(folder).strip() != text(folder) else None


def find_videos(folder: pathlib.Path, game: str, resolution: str) -> tuple[dict[int, list[str]], list[Problem]]:
    """The files of each half, the preferred one first; and the halves without one and the folders that hide theirs.

    Args:
      folder: of the game.
      game: its name in problems.
      resolution: the preferred one of RESOLUTIONS.
    """
    stems = results.videos_by_stem(folder)
    unreadable: list[OSError] = []
    for _ in os.walk(folder, onerror=unreadable.append):
        pass
    problems = [
        Problem(f"folder not readable ({error.strerror})", game, source=os.path.relpath(error.filename, folder))
        for error in unreadable
    ]
    found = {}
    for half in HALVES:
        paths = [stems[f"{half}{ending}"] for ending in _PREFERRED[resolution] if f"{half}{ending}" in stems]
        if paths:
            found[half] = paths
        else:
            untrimmed = stems.get(f"{half}{_UNTRIMMED}")
            reason = f"no video ({os.path.basename(untrimmed)} is not trimmed)" if untrimmed else "no video"
            problems.append(Problem(reason, game, half))
    return found, problems
