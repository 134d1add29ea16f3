"""The readers of tools/noisyactions2m: other people's results and lists, and its own table and notes."""

import json
import pathlib
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq

from spl_tf.stored import read_json
from tools.fuzz.reader import Reader, text
from tools.noisyactions2m import (
    captions,
    class_names,
    entity_counts,
    jobs,
    known_videos,
    named_labels,
    passes,
    query_rows,
    result_files,
    table,
)
from tools.noisyactions2m.result_files import Options, Piece
from tools.noisyactions2m.video_names import VideoNames

_PHOTO = {"id": "58", "owner": "1@N01", "title": "a &amp; b", "description": {"_content": "d"}, "license": "4"}
_PHOTO |= {"dateupload": "1307449200", "datetaken": "2011-06-05 12:33:10", "tags": "a b", "latitude": "41.9"}
_PHOTO |= {"longitude": -87.6, "accuracy": "16", "media": "video", "url_o": "https://h/o.jpg", "comments": ["c"]}
_PAGE = {"photos": {"page": 2, "perpage": 2, "photo": [_PHOTO, _PHOTO]}, "stat": "ok"}
_INFO = {"id": "-LzdIILq5vE", "title": "T", "tags": ["a"], "upload_date": "20110605", "duration": "1:02"}
_INFO |= {"webpage_url": "https://www.youtube.com/watch?v=-LzdIILq5vE", "extractor_key": "Youtube", "playlist": "q"}
_INFO |= {"formats": [{"format_id": "18", "url": "https://h/v?expire=1"}], "comments": [{"text": "c"}]}
_ANSWERS = [
    {"comments": {"photo_id": "58", "comment": [{"_content": "c"}]}},
    {"sizes": {"size": [{"label": "HD", "source": "https://h/video/581234/hd.mp4"}]}},
    {"photo": {"id": "58", "owner": {"nsid": "1@N01"}, "dates": {"posted": "1"}, "location": {"latitude": "1"}}},
    {"_type": "playlist", "title": "q", "entries": [{"id": "a" * 11, "ie_key": "Youtube"}]},
]
_LINES = "".join(f"{json.dumps(line)}\n" for line in [_PAGE, _INFO, *_ANSWERS])
_TABLE = 'Video Id,Title,Tags,Category,Duration\nabc,"A ""b"", c",x|y,q,3\ndef,t,,q,1:02\n'
_COCO = {"annotations": [{"caption": "a man sits"}, {"sentences": [{"raw": "b", "tokens": ["c", "d"]}]}]}
_ACTIVITYNET = {"database": {"v": {"annotations": [{"label": "Dive", "segment": [0, 1]}]}}}
_AVA = 'label {\n  name: "bend/bow (at the waist)"\n  label_id: 1\n}\n'
_QUERIES = "query,kind,origins\ndive,class,A:Dive|B\\:c:dive\na man sit,sentence,C:A man sits\n"


def _results(name: str) -> Callable[[pathlib.Path], object]:
    return lambda folder: list(result_files.read(Piece(str(folder / name)), Options("x", {"query": "Category"})))


def _metadata(folder: pathlib.Path) -> None:
    rows = [
        {"key": f"flickr/{number}", "site": "flickr", "id": str(number), "tags": ["a"], "duration": 1.5}
        | {"queries": [{"query": "q", "rank": 1}], "addresses": [{"size": "page", "url": "https://h/1"}]}
        for number in range(30)
    ]
    pq.write_table(pa.Table.from_pylist(rows, table.SCHEMA), folder / "m.parquet", compression="zstd")


def _read_metadata(folder: pathlib.Path) -> None:
    for batch in table.read_rows(folder / "m.parquet"):
        batch.to_pylist()
    VideoNames(folder / "m.parquet").find(pa.array(["flickr/3", "4"]))
    known_videos.of_table(str(folder / "m.parquet"), {"3", "flickr/4"})


def _scores(folder: pathlib.Path) -> None:
    rows = [{"video": str(number), "attribute": "title", "entity": "Games", "score": 0.5} for number in range(30)]
    pq.write_table(pa.Table.from_pylist(rows, entity_counts.SCHEMA), folder / "s.parquet", compression="zstd")


def _read_scores(name: str) -> Callable[[pathlib.Path], object]:
    return lambda folder: [batch.to_pylist() for batch in entity_counts.read_scores(folder / name)]


def _pass(folder: pathlib.Path) -> None:
    """The notes and the run of a job of the first pass."""
    (folder / "r.jsonl").write_text(_LINES, encoding="utf-8")
    passes.read_job(jobs.Job(0, "", (Piece(str(folder / "r.jsonl")),)), str(folder), Options("x"))


def _read_note(folder: pathlib.Path) -> None:
    read_json(folder / "read-000000.json", passes.Read, "")


def _labels(folder: pathlib.Path) -> None:
    (folder / "l.txt").write_text("11 1|2\n12 2\n", encoding="utf-8")
    (folder / "c.txt").write_text("1 yoga\n2 Playing piano\n", encoding="utf-8")


def _read_labels(folder: pathlib.Path) -> None:
    named_labels.from_lists(str(folder / "l.txt"), str(folder / "c.txt"), [])


READERS = {
    "web_json": Reader("r.json", text("r.json", json.dumps([_PAGE, _INFO, *_ANSWERS])), _results("r.json")),
    "web_page": Reader("r.json", text("r.json", f"jsonFlickrApi({json.dumps(_PAGE)})"), _results("r.json")),
    "web_lines": Reader("r.jsonl", text("r.jsonl", _LINES), _results("r.jsonl")),
    "web_table": Reader("r.csv", text("r.csv", _TABLE), _results("r.csv")),
    "web_metadata": Reader("m.parquet", _metadata, _read_metadata),
    "web_note": Reader("read-000000.json", _pass, _read_note),
    "web_scores": Reader("s.parquet", _scores, _read_scores("s.parquet")),
    "web_scores_csv": Reader(
        "s.csv", text("s.csv", "video,attribute,entity,score\n1,title,Games,0.5\n"), _read_scores("s.csv")
    ),
    "web_queries": Reader("q.csv", text("q.csv", _QUERIES), lambda folder: query_rows.read(folder / "q.csv")),
    "web_class_list": Reader("c.txt", _labels, _read_labels),
    "web_label_list": Reader("l.txt", _labels, _read_labels),
    "web_tags": Reader(
        "t.csv",
        text("t.csv", "video_id,tags\na,x|y\nb,x\n"),
        lambda folder: named_labels.from_tags(str(folder / "t.csv"), None, []),
    ),
    "web_paths": Reader(
        "p.csv",
        text("p.csv", "video_id,path,rank,queries\na,a.mp4,3,x|y\n"),
        lambda folder: known_videos.of_manifest(str(folder / "p.csv")),
    ),
    "web_captions": Reader(
        "c.json", text("c.json", json.dumps(_COCO)), lambda folder: list(captions.read_captions(folder / "c.json"))
    ),
    "web_caption_table": Reader(
        "c.csv",
        text("c.csv", 'id,caption\n1,"a man, sits"\n2,b\n'),
        lambda folder: list(captions.read_captions(folder / "c.csv")),
    ),
    "web_names_json": Reader(
        "n.json",
        text("n.json", json.dumps(_ACTIVITYNET)),
        lambda folder: class_names.read_class_names(folder / "n.json"),
    ),
    "web_names_pbtxt": Reader(
        "n.pbtxt", text("n.pbtxt", _AVA), lambda folder: class_names.read_class_names(folder / "n.pbtxt")
    ),
    "web_names": Reader(
        "n.txt", text("n.txt", "1 a\n2 b c\n"), lambda folder: class_names.read_class_names(folder / "n.txt")
    ),
}
