"""The table of metadata: what all saved results tell of a video is one row, compared with a merge by brute force."""

import itertools
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from tests.tools import noisyactions2m_results as results
from tools.noisyactions2m import in_processes, passes


class MetadataTest(results.MetadataCase):
    @parameterized.parameters(range(5))
    def test_rows_are_those_of_brute_force(self, seed):
        generator = random.Random(seed)
        found = list(results.made(generator, 400, 90))
        cuts = [0, *sorted(generator.sample(range(400), 5)), 400]
        for number, (start, end) in enumerate(itertools.pairwise(cuts)):
            self.write(f"found/{number}.jsonl", found[start:end])
        with self.small():
            code, out, _ = self.execute()
        self.assertEqual(code, 0, out)
        self.compare(found)
        self.assertEmpty(self.rejected())
        self.assertEqual(
            [path.name for path in self.output.parent.iterdir() if not path.name.startswith("metadata")], []
        )

    def test_every_record_is_a_row_or_listed(self):
        generator = random.Random(0)
        lines, expected = [], set()
        for number in range(300):
            choice = generator.randrange(6)
            if choice == 5:
                lines.append(" ")
            elif choice == 0:
                lines.append('{"id": "1", "site')
            elif choice == 1:
                lines.append(json.dumps({"id": generator.choice([None, "", [], "a b"]), "site": "x"}))
            elif choice == 2:
                lines.append(
                    json.dumps({"id": str(number), "site": "x", "duration": "long", "upload_date": "2011-99-99"})
                )
                expected.add(f"x/{number}")
            else:
                lines.append(json.dumps({"id": str(number), "site": "x"}))
                expected.add(f"x/{number}")
        (self.folder / "found").mkdir()
        (self.folder / "found/r.jsonl").write_text("\n".join(lines), encoding="utf-8")
        (self.folder / "found/notes.txt").write_text("not results")
        (self.folder / "found/1.mp4").write_text("a video")
        with self.small():
            _, out, _ = self.execute()
        self.assertEqual({row["key"] for row in self.rows()}, expected)
        rejected = self.rejected()
        self.assertLen([row for row in rejected if "neither" in row[3]], 1)
        places = {place for _, place, key, _ in rejected if place and not key}
        broken = {f"line {number}" for number, line in enumerate(lines, 1) if line.strip() and not self.is_record(line)}
        self.assertEqual(places, broken)
        fields = [(key, reason.split(":")[0]) for _, _, key, reason in rejected if key]
        wrong = [key for key, line in ((f"x/{n}", line) for n, line in enumerate(lines)) if "long" in line]
        self.assertCountEqual(fields, [(key, name) for key in wrong for name in ("duration", "upload_date")])
        self.assertIn(f"{len(broken)} results gave no row", out)
        self.assertIn("1 files are neither", out)
        self.assertIn("1 videos and images lie among the results", out)
        self.assertEqual([row[0] for row in rejected if row[3] == "a video or image"], [f"{self.folder}/found/1.mp4"])

    def is_record(self, line):
        try:
            return isinstance(json.loads(line)["id"], str) and json.loads(line)["id"] not in ("", "a b")
        except ValueError:
            return False

    def test_queries_tell_concepts_from_sentences(self):
        (self.folder / "queries.csv").write_text(
            "query,kind,origins\ndive,class,A:Dive\nsit,class,A:sit\nsit,sentence,C:Sit\na man sit,sentence,C:It sits"
        )
        queries = ["Diving", "SIT", "a man sit", "other"]  # As classes are called, or as they are searched for.
        self.write("found/a.jsonl", [{"id": "1", "site": "x", "query": query, "rank": 1} for query in queries])
        with self.small():
            _, out, _ = self.execute(f"--queries={self.folder}/queries.csv")
        (row,) = self.rows()
        self.assertEqual((row["concepts"], row["sentences"]), (["dive", "sit"], ["sit", "a man sit"]))
        self.assertEqual([query["query"] for query in row["queries"]], sorted(queries))
        self.assertEqual(self.rejected(), [("", "", "x/1", "query not in --queries ('other')")])
        self.assertIn("1 queries are not in --queries", out)

    def test_answers_about_one_video_are_one_row(self):
        page = {
            "photos": {"page": 1, "perpage": 10, "photo": [{"id": "581", "title": "t", "dateupload": "1307449200"}]}
        }
        self.write("found/dive/1.json", [page])
        self.write("found/jump/1.json", [page])
        self.write("found/comments/1.json", [{"comments": {"photo_id": "581", "comment": [{"_content": "c"}]}}])
        self.write(
            "found/sizes/581234.json", [{"sizes": {"size": [{"label": "HD", "source": "http://h/581234/hd.mp4"}]}}]
        )
        self.execute()  # In processes.
        first, second = self.rows()
        self.assertEqual((first["title"], first["comments"], first["concepts"]), ("t", ["c"], ["dive", "jump"]))
        self.assertEqual(
            (second["key"], second["addresses"]), ("flickr/581234", [{"size": "HD", "url": "http://h/581234/hd.mp4"}])
        )

    def test_killed_and_started_again_it_goes_on_and_begins_anew_when_a_file_changed(self):
        found = list(results.made(random.Random(7), 300, 60))
        self.write("found/a.jsonl", found[:200])
        self.write("found/b.jsonl", found[200:])
        with self.small():
            self.execute()
        expected = self.output.read_bytes()
        for die_after in range(0, 40, 3):
            with self.small():
                calls = {"read": 0, "stop": die_after}

                def dying(function, job_list, calls=calls, **_):
                    for job in job_list:
                        if calls["read"] == calls["stop"]:
                            raise KeyboardInterrupt
                        calls["read"] += 1
                        yield function(job)

                with mock.patch.object(in_processes, "run_in_workers", dying):
                    code, _, _ = self.execute()
                if code == 0:
                    break
                self.assertEqual(code, 130)
                self.assertEqual(self.execute()[0], 0)
                self.assertEqual(self.output.read_bytes(), expected)
        self.assertGreater(die_after, 9)
        with self.small(), mock.patch.object(passes, "merge_range", side_effect=KeyboardInterrupt):
            self.execute()
        self.write("found/b.jsonl", found[200:250])
        with self.small():
            self.execute()
        self.compare(found[:250])

    def test_killed_process_leaves_what_goes_on(self):
        found = list(results.made(random.Random(8), 20_000, 5000))
        self.write("found/a.jsonl", found)
        arguments = [f"--results={self.folder}/found", f"--output={self.output}", "--num_workers=1"]
        whole = [sys.executable, "-m", "tools.noisyactions2m.metadata", *arguments]
        root = pathlib.Path(__file__).parents[2]
        with subprocess.Popen(whole, cwd=root, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and not list(self.output.parent.glob("*.parts/read-*.arrow")):
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
        self.assertEqual(self.execute()[0], 0)
        self.compare(found)

    def test_mistakes_are_one_line(self):
        self.write("found/a.jsonl", [{"id": "1", "site": "x"}])
        (self.folder / "empty").mkdir()
        (self.folder / "q.csv").write_text("a,b\n1,2\n")
        self.output.with_name("metadata.parquet.parts").mkdir(parents=True)
        (self.output.with_name("metadata.parquet.parts") / "thesis.pdf").touch()
        for arguments, place, said in (
            ([], None, "--results missing"),
            ([], "none", "none does not exist"),
            ([], "empty", "has no .json"),
            (["--csv_columns=name=Title"], "found", "is not FIELD=COLUMN"),
            (
                [f"--queries={self.folder}/q.csv"],
                "found",
                "has no column 'query' (it has a, b): add it, or check --queries",
            ),
            ([], "found", "not ours"),
            ([f"--output={self.folder}/a.csv"], "found", "does not end in .parquet"),
        ):
            code, _, err = self.execute(*arguments, results=place)
            self.assertEqual((code, said in err), (2, True), err)


if __name__ == "__main__":
    tf.test.main()
