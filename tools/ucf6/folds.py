"""Writes leave-groups-out folds of ucf6: every UCF101 file of the set is a test video of one fold.

  python -m tools.ucf6.folds --data=data/ucf6 --folds=4 --output_dir=data/ucf6_folds

Every fold gets a folder of lists like ucf6's, fold0of4, ..., which tools.study.folds runs. In a fold, target, web and
test videos share no recording (UCF101's group of an action). With four folds the first has ucf6's own split.

  target_train.csv, test.csv   a file that ucf6 has as a clean video is used whole; of one that is seen in uploads only,
                               the longest cut is written to videos/
  web.csv                      the uploads. One with a part of a target or test recording is cut again, that part
                               replaced by as long a cut of another file of the action; near-duplicates and copies of
                               clean videos are left out (left_out.csv)
  web_truth.csv                what they show, and of which file ("source")
  classes.txt

A killed run goes on with the same command. Cuts of uploads leave 0.4 s at their borders out, because ucf6's uploads are
some frames longer than their cuts.
"""

import csv
import pathlib
from collections.abc import Iterable, Sequence

import tqdm
from absl import flags

from spl_tf import command, files
from spl_tf.errors import UserError
from tools.ucf6 import cutting, encoding
from tools.ucf6.fold_plan import Fold, longest, plan_folds
from tools.ucf6.footage import LATENESS, Cut, Footage, Upload, read_footage, recording

FLAGS = flags.FlagValues()
flags.DEFINE_string("data", None, "Folder of ucf6, as tools.ucf6.rebuild makes it.", flag_values=FLAGS)
flags.DEFINE_integer("folds", 4, "How many.", flag_values=FLAGS)
flags.DEFINE_string("output_dir", None, "Gets a folder a fold, and videos.", flag_values=FLAGS)

_VIDEO_CRF = 24


def main() -> None:
    command.require_flags(FLAGS, "data", "output_dir")
    write_folds(pathlib.Path(FLAGS.data), FLAGS.folds, pathlib.Path(FLAGS.output_dir))


def write_folds(data: pathlib.Path, folds: int, output_dir: pathlib.Path) -> None:
    """Makes every video that is not there yet, then the lists.

    Raises:
      UserError: a list or video is missing or damaged; see `plan_folds`.
    """
    footage = read_footage(data)
    _require_lengths(footage)
    seconds = {source: _seconds(cuts) for source, cuts in footage.sources.items()}
    ffmpeg = encoding.find_ffmpeg()
    if ffmpeg is None:
        print("No ffmpeg with libx264 on PATH: OpenCV writes MPEG-4 part 2, so pixels and bytes differ from H.264.")
    clean = {source: longest(cuts) for source, cuts in footage.sources.items()}
    for source, cut in tqdm.tqdm(clean.items(), desc="clean videos", unit="video"):
        if cut.length is not None:
            path = (output_dir / "videos" / f"{source}.mp4").resolve()
            _write_video(path, [cut], _VIDEO_CRF, ffmpeg)
            clean[source] = Cut(path)
    for number, fold in enumerate(plan_folds(footage, folds, seconds)):
        folder = output_dir / f"fold{number}of{folds}"
        paths = {}
        for upload in tqdm.tqdm(fold.uploads, desc=folder.name, unit="video"):
            video_id = upload.row["video_id"]
            paths[video_id] = upload.path
            if video_id in fold.recut:
                paths[video_id] = (folder / "web" / f"{video_id}.mp4").resolve()
                _write_video(paths[video_id], [part.cut for part in upload.parts], upload.crf, ffmpeg)
        _write_lists(data, folder, fold, footage.left_out, clean, paths)
        print(
            f"{folder}: {len(fold.target)} target videos, {len(fold.test)} test videos, {len(fold.uploads)} uploads, "
            f"{len(fold.recut)} of them cut again ({fold.shortened} parts shorter than before), "
            f"{len(footage.left_out)} left out (left_out.csv)"
        )


def _write_lists(
    data: pathlib.Path,
    folder: pathlib.Path,
    fold: Fold,
    left_out: dict[str, str],
    clean: dict[str, Cut],
    paths: dict[str, pathlib.Path],
) -> None:
    classes = data / "classes.txt"
    if not classes.is_file():
        raise UserError(f"{classes} does not exist: python -m tools.ucf6.rebuild makes it")
    files.write_lines(folder / "classes.txt", classes.read_text(encoding="utf-8").splitlines())
    for name, sources in (("target_train.csv", fold.target), ("test.csv", fold.test)):
        _write(folder / name, ["path", "label"], ((clean[source].path, recording(source)[0]) for source in sources))
    rows = [upload.row | {"path": str(paths[upload.row["video_id"]])} for upload in fold.uploads]
    _write(folder / "web.csv", list(rows[0]), (row.values() for row in rows))
    truth = (line for upload in fold.uploads for line in _truth(upload))
    _write(folder / "web_truth.csv", ["video_id", "start_s", "end_s", "action", "source"], truth)
    _write(folder / "left_out.csv", ["video_id", "reason"], left_out.items())


def _truth(upload: Upload) -> Iterable[tuple]:
    end = 0.0
    for part in upload.parts:
        start, end = end, end + part.seconds
        yield upload.row["video_id"], round(start, 3), round(end, 3), recording(part.source)[0], part.source


def _write_video(path: pathlib.Path, cuts: Sequence[Cut], crf: int, ffmpeg: str | None) -> None:
    """Joins cuts at 25 frames per second; a video that is there is kept."""
    if path.exists():
        return
    segments = [cutting.Segment(str(cut.path), cut.start, cut.length or 0.0) for cut in cuts]
    try:
        frames = cutting.cut_upload(segments, {str(cut.path): cut.path for cut in cuts})
    except cutting.UnusableSourceError as error:
        raise UserError(f"{error}: make the folder of ucf6 anew") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    encoding.encode(path, frames, cutting.UPLOAD_FPS, crf, ffmpeg)


def _seconds(cuts: Sequence[Cut]) -> float:
    cut = longest(cuts)
    return cutting.seconds_of(cut.path) if cut.length is None else cut.length


def _require_lengths(footage: Footage) -> None:
    """Uploads end where their cuts do, or as much later as is allowed for."""
    for upload in footage.uploads:
        if not upload.path.is_file():
            raise UserError(f"{upload.path} is missing: python -m tools.ucf6.rebuild makes it")
        late = cutting.seconds_of(upload.path) - upload.seconds
        if not -1 / cutting.UPLOAD_FPS <= late <= LATENESS:
            raise UserError(f"{upload.path} is {late:+.2f} s longer than its cuts in web_segments.csv: make it anew")


def _write(path: pathlib.Path, header: Sequence[str], rows: Iterable[Iterable]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
