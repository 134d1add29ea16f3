"""Rebuilds ucf6, six classes of UCF101 laid out as the paper's problem, from the official UCF101 download.

  python -m tools.ucf6.rebuild --ucf101=UCF-101 --splits=ucfTrainTestlist --output_dir=ucf6

--ucf101 is the folder UCF101.rar was unpacked to (class folders or all files in one), --splits the
unpacked UCF101TrainTestSplits-RecognitionTask.zip. Written into the output folder:

  classes.txt       the six classes
  target_train.csv  path,label: 120 clean videos (groups 8-11)
  test.csv          path,label: 202 clean videos (official split 1, groups 1-7)
  web.csv           video_id,path,query,language,rank,address: 190 untrimmed uploads whose query is
                    right for 40 % of the time
  web_truth.csv     video_id,start_s,end_s,action: what they really show, for analysis only
  videos/, web/     160x120 mp4 files

A killed run goes on with the same command. Files of UCF101 that are missing or damaged do not stop
the run: they are named at its end (exit code 2), and the lists are written only when there are none.
With an ffmpeg on PATH that has libx264 the videos are H.264, otherwise OpenCV writes MPEG-4 part 2.
"""

import csv
import pathlib
import shutil
from collections.abc import Sequence

import tqdm
from absl import flags

from spl_tf import command, files
from spl_tf.errors import UserError
from tools.ucf6 import cutting, encoding, plan
from tools.ucf101_hmdb51 import ucf101

FLAGS = flags.FlagValues()
flags.DEFINE_string("ucf101", None, "Folder with UCF101's v_*.avi files.", flag_values=FLAGS)
flags.DEFINE_string("splits", None, "Folder with classInd.txt, trainlist01.txt, testlist01.txt.", flag_values=FLAGS)
flags.DEFINE_string("output_dir", None, "Folder for ucf6.", flag_values=FLAGS)

_VIDEO_CRF = 24
_NAMED_PROBLEMS = 5


def main() -> None:
    command.require_flags(FLAGS, "ucf101", "splits", "output_dir")
    rebuild(pathlib.Path(FLAGS.ucf101), pathlib.Path(FLAGS.splits), pathlib.Path(FLAGS.output_dir))


def rebuild(ucf101_dir: pathlib.Path, splits_dir: pathlib.Path, output_dir: pathlib.Path) -> None:
    """Makes every video that is not there yet, then the lists.

    Raises:
      UserError: a folder or list is missing; files of UCF101 are missing or damaged.
    """
    target, test = plan.clean_videos(ucf101.read_split(splits_dir, 1))
    uploads = plan.read_uploads()
    sources = ucf101.find_videos(ucf101_dir).by_name()
    ffmpeg = encoding.find_ffmpeg()
    if ffmpeg is None:
        print("No ffmpeg with libx264 on PATH: OpenCV writes MPEG-4 part 2, so pixels and bytes differ from H.264.")
    problems = _make_clean_videos([*target, *test], sources, output_dir, ffmpeg)
    problems |= _make_uploads(uploads, sources, output_dir, ffmpeg)
    if problems:
        named = sorted(problems)[:_NAMED_PROBLEMS]
        more = f" and {len(problems) - len(named)} more" if len(problems) > len(named) else ""
        raise UserError(f"{len(problems)} files of UCF101 are needed in {ucf101_dir}: {'; '.join(named)}{more}")
    _write_lists(target, test, uploads, output_dir)
    print(f"{output_dir}: {len(target)} target videos, {len(test)} test videos, {len(uploads)} uploads")


def _make_clean_videos(
    videos: Sequence[ucf101.Video], sources: cutting.Sources, output_dir: pathlib.Path, ffmpeg: str | None
) -> set[str]:
    """Scales whole files, each at its own frame rate; returns what is wrong with which source."""
    problems = set()
    for video in tqdm.tqdm(videos, desc="clean videos", unit="video"):
        path = output_dir / plan.video_path(video.file_name)
        if path.exists():
            continue
        try:
            frames, frame_rate = cutting.read_scaled(video.file_name, sources)
        except cutting.UnusableSourceError as error:
            problems.add(str(error))
        else:
            encoding.encode(path, frames, frame_rate, _VIDEO_CRF, ffmpeg)
    return problems


def _make_uploads(
    uploads: Sequence[plan.Upload], sources: cutting.Sources, output_dir: pathlib.Path, ffmpeg: str | None
) -> set[str]:
    """Joins the cuts of each upload or copies its test video; returns what is wrong with which source."""
    problems = set()
    for upload in tqdm.tqdm(uploads, desc="uploads", unit="video"):
        path = output_dir / upload.path
        if path.exists():
            continue
        if upload.copied:
            original = output_dir / plan.video_path(upload.copied)
            if original.exists():  # If not, the test video's own problem is known.
                with files.atomic_path(path) as temporary:
                    shutil.copyfile(original, temporary)
            continue
        try:
            frames = cutting.cut_upload(upload.segments, sources)
        except cutting.UnusableSourceError as error:
            problems.add(str(error))
        else:
            encoding.encode(path, frames, cutting.UPLOAD_FPS, upload.crf, ffmpeg)
    return problems


def _write_lists(
    target: list[ucf101.Video], test: list[ucf101.Video], uploads: list[plan.Upload], output_dir: pathlib.Path
) -> None:
    copied_seconds = {u.video_id: cutting.seconds_of(output_dir / u.path) for u in uploads if u.copied}
    tables = {
        "target_train.csv": plan.manifest_rows(target),
        "test.csv": plan.manifest_rows(test),
        "web_truth.csv": plan.truth_rows(uploads, copied_seconds),
        "web.csv": plan.web_rows(uploads),
    }
    files.write_lines(output_dir / "classes.txt", plan.CLASSES)
    for name, rows in tables.items():
        path = output_dir / name
        with files.atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
            csv.writer(opened).writerows(rows)


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
