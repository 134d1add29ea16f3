"""Search results and a query list in a folder, and the command that makes a manifest of them."""

import json
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from tests.commands import last_line, run_command
from tests.written import csv_rows
from tools.collect import manifest

QUERIES = """query,language,text,source
PlayingPiano,en,playing piano,class name
PlayingPiano,fr,jouer du piano,ours
Yoga,en,yoga,class name
Yoga,fr,Yoga,ours
"""


class ManifestCase(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.found = self.folder / "found"
        self.found.mkdir()
        self.write("queries.csv", QUERIES)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def info(self, folder, video_id, searched, rank, suffix=".mp4", **fields):
        """What `yt-dlp --write-info-json ytsearch50:<searched>` writes for one result, with or without the video."""
        place = self.found / folder
        place.mkdir(exist_ok=True)
        info = {
            "id": video_id,
            "title": f"Title of {video_id}",
            "duration": 61,
            "webpage_url": f"https://www.youtube.com/watch?v={video_id}",
            "extractor_key": "Youtube",
            "playlist": searched,
            "playlist_id": searched,
            "playlist_title": searched,
            "playlist_index": rank,
            "n_entries": 50,
            "_type": "video",
            **fields,
        }
        (place / f"{video_id}.info.json").write_text(json.dumps(info), encoding="utf-8")
        if suffix:
            (place / f"{video_id}{suffix}").write_bytes(b"video")

    def execute(self, *arguments, results=("found",)):
        """Runs the command: exit code, stdout, last line of stderr."""
        paths = [f"--queries={self.folder}/queries.csv", f"--output={self.folder}/web.csv"]
        paths += [f"--results={self.folder}/{name}" for name in results]
        code, out, err = run_command(manifest, *paths, *arguments)
        return code, out, last_line(err)

    def rows(self, *columns):
        return [tuple(row[column] for column in columns) for row in csv_rows(self.folder / "web.csv")]

    def reasons(self):
        return {row["video_id"] or row["source"]: row["reason"] for row in csv_rows(self.folder / "web.rejected.csv")}
