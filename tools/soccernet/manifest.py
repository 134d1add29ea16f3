"""Makes a manifest of clips from a SoccerNet folder: Background, Card, Goal, Substitution.

  python -m tools.soccernet.manifest --games=SoccerNet --split=train
      --output=target_train.csv --classes=classes.txt
  python -m tools.soccernet.manifest --games=SoccerNet --split=valid --output=test.csv --classes=classes.txt

--games is the folder with <league>/<season>/<date> - <time> <home> <score> - <score> <away>. --split is
train, valid or test, whose lists the SoccerNet package has (pip install SoccerNet), or all: every game of
the folder, hidden folders aside. --games_list=FILE, one game a line, takes the place of --split and needs
no package.

Annotations: Labels-v2.json, else Labels.json; with --labels=v1 or v2 only that file is looked at. Card is
a yellow, red or second yellow card, Goal also an own goal. An event that Labels-v2.json calls "not shown"
gives no clip, events of its other 12 kinds don't either.

Videos: of a half, 1_224p.mkv, 1.mkv, 1_720p.mkv, the first that can be opened; with --resolution=720p
1_720p.mkv comes first. Any usual suffix will do. 1_HQ.mkv is not trimmed to the half and not used.

Clips: --clip_seconds (10) with the event in the middle. Near the beginning or end of a half the clip is
moved inside the video. Events more than a second after the video's end give none. Events of one class at
one moment give one.

Background: clips whose start and end are --background_distance (30) seconds from whatever is annotated in
either of the two files; they don't overlap, and are spread over the halves. As many as a foreground class
has on average, or --background=N. A game with a damaged file of annotations, or an annotation without a
readable time, has none. --seed draws others.

Written, for --output=test.csv:

  test.csv          video_id,path,label,start,end,event by game, half and start; path is relative to
                    test.csv, start and end are seconds, event is the annotator's word
  test.missing.csv  what gave no clip or is in doubt, each with its reason: game not in the folder, folder not
                    readable, damaged annotations, no video, event outside of the video, unknown label, ...
  --classes         the four classes in the paper's order. A file that is there already is left as it is, and
                    must have all of them.

Without any clip test.csv is not written. Of the videos only the headers are read; spl_tf.shard rejects the
damaged ones. Make the shards with --clip_seconds=0: a row is one record.
"""

import collections
import math
import os
import pathlib
import tempfile
from collections.abc import Sequence

from absl import flags

from spl_tf import command, files
from spl_tf.data.lists.csv_tables import text
from spl_tf.errors import UserError
from spl_tf.labels.classes import read_classes
from spl_tf.text_tables import counted, reason_kind
from tools.collect import tables
from tools.soccernet import annotations, games
from tools.soccernet.clips import Survey

FLAGS = flags.FlagValues()
flags.DEFINE_string("games", None, "Folder of SoccerNet's games.", flag_values=FLAGS)
flags.DEFINE_enum("split", None, ["train", "valid", "test", "all"], "Games of a split, or all.", flag_values=FLAGS)
flags.DEFINE_string("games_list", None, "Text file with one game a line, in place of --split.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "CSV file for the manifest.", flag_values=FLAGS)
flags.DEFINE_string("classes", None, "Text file for the classes.", flag_values=FLAGS)
flags.DEFINE_enum("labels", None, ["v1", "v2"], "Version of the annotations; else the later.", flag_values=FLAGS)
flags.DEFINE_enum("resolution", "224p", ["224p", "720p"], "Preferred video of a half.", flag_values=FLAGS)
flags.DEFINE_float("clip_seconds", 10.0, "Length of a clip.", lower_bound=0.1, upper_bound=3600.0, flag_values=FLAGS)
flags.DEFINE_float(
    "background_distance",
    30.0,
    "Seconds from Background to any event.",
    lower_bound=0.0,
    upper_bound=3600.0,
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "background", None, "Clips of Background; the mean of the others when not given.", lower_bound=0, flag_values=FLAGS
)
flags.DEFINE_integer("seed", 0, "Of the drawing of Background.", lower_bound=0, flag_values=FLAGS)

COLUMNS = ("video_id", "path", "label", "start", "end", "event")
MISSING_COLUMNS = ("game", "half", "seconds", "label", "source", "reason")
_MISSING = ".missing.csv"


def main() -> None:
    command.require_flags(FLAGS, "games", "output", "classes")
    if bool(FLAGS.split) == bool(FLAGS.games_list):
        raise UserError("give either --split or --games_list, to say which games are meant")
    for name in ("clip_seconds", "background_distance"):
        if math.isnan(FLAGS[name].value):  # It is outside of no bounds.
            raise UserError(f"--{name}=nan is no number: give seconds")
    if not os.path.isdir(FLAGS.games):
        raise UserError(f"{FLAGS.games} is no folder: check --games")
    inputs = [FLAGS.classes, *([FLAGS.games_list] if FLAGS.games_list else [])]
    output = tables.output_path(FLAGS.output, (_MISSING,), inputs)
    # Imports OpenCV: not before the user's mistakes have had their chance.
    from tools.soccernet.survey import survey

    # Without links on the way, `..` in a relative path leads where it says.
    root = pathlib.Path(os.path.realpath(FLAGS.games))
    problems: list[annotations.Problem] = []
    if FLAGS.games_list:
        wanted, problems = games.in_list(pathlib.Path(FLAGS.games_list))
    else:
        wanted = games.in_folder(root) if FLAGS.split == "all" else games.in_split(FLAGS.split)
    for written in (output, output.with_suffix(_MISSING)):
        _check_place(written)
    _check_classes(pathlib.Path(FLAGS.classes), annotations.CLASSES)
    found = survey(
        root,
        wanted,
        labels=FLAGS.labels,
        resolution=FLAGS.resolution,
        clip_ms=round(FLAGS.clip_seconds * 1000),
        distance_ms=round(FLAGS.background_distance * 1000),
        background=FLAGS.background,
        seed=FLAGS.seed,
    )
    print(_write(output, found, [*problems, *found.problems], annotations.CLASSES))


def _write(output: pathlib.Path, found: Survey, problems: Sequence[annotations.Problem], classes: Sequence[str]) -> str:
    """Writes the list of what is missing and the manifest; returns a summary.

    Raises:
      UserError: there is no clip for a manifest.
    """
    missing = output.with_suffix(_MISSING)
    rows = [(text(row.game), row.half, _seconds(row.time_ms), row.label, row.source, row.reason) for row in problems]
    tables.write(missing, MISSING_COLUMNS, rows)
    if not found.clips:
        raise UserError(f"no game gives a clip: see {missing} (games are <league>/<season>/<game> below --games)")
    folder = os.path.realpath(output.parent)
    lines = []
    for clip in found.clips:
        path = os.path.relpath(clip.half.path, folder)
        lines.append((clip.video_id, path, clip.class_name, clip.start_ms / 1000, clip.end_ms / 1000, clip.label))
    tables.write(output, COLUMNS, lines)

    counts = collections.Counter(clip.class_name for clip in found.clips)
    listed = ", ".join(f"{name} {counts[name]:,}" for name in classes)
    num_games = len({clip.half.game for clip in found.clips})
    summary = [f"{output}: {len(found.clips):,} clips of {num_games:,} games ({listed})"]
    if counts[classes[0]] < found.wanted_background:
        summary.append(
            f"there is room for no more Background than that, wanted were {found.wanted_background:,}: "
            "see --background_distance"
        )
    if problems:
        by_kind = counted(reason_kind(problem.reason) for problem in problems)
        summary.append(f"{len(problems):,} entries are amiss ({by_kind}): see {missing.name}")
    return "\n".join(summary)


def _seconds(time_ms: int | None) -> float | None:
    return None if time_ms is None else time_ms / 1000


def _check_place(path: pathlib.Path) -> None:
    """Makes sure, before anything takes long, that a file can be written there.

    Raises:
      OSError: with the file's name, as the system says it.
      UserError: there is a folder.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder: remove it, or choose another --output")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _check_classes(path: pathlib.Path, classes: Sequence[str]) -> None:
    """Writes the classes, or makes sure that the file that is there has them."""
    if not path.exists():
        files.write_lines(path, classes)
        return
    known = read_classes(path)
    unknown = [name for name in classes if name not in known]
    if unknown:
        raise UserError(f"{path} has no class {unknown[0]!r}: remove it, or choose another file for --classes")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
