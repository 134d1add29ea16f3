"""The table of metadata: what all saved results tell of a video is one row, compared with a merge by brute force."""

import contextlib
import csv
import datetime
import io
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

from spl_tf import command
from spl_tf.data.workers import Failure
from tools.noisyactions2m import in_processes, jobs, metadata, passes, result_files, runs, table


def made(generator, count, ids):
    """Results of `ids` videos, each with some of the fields."""
    for _ in range(count):
        fields = {
            "title": f"t{generator.randrange(99)}",
            "description": f"d{generator.randrange(99)}",
            "tags": [f"g{generator.randrange(5)}" for _ in range(generator.randrange(4))],
            "comments": [f"c{generator.randrange(5)}" for _ in range(generator.randrange(3))],
            "timestamp": 10**9 + generator.randrange(10**8),
            "duration": generator.randrange(100),
            "latitude": None,
        }
        kept = {name: value for name, value in fields.items() if generator.random() < 0.6}
        if generator.random() < 0.5:
            kept |= {"latitude": generator.randrange(-80, 80) or 1, "longitude": generator.randrange(-80, 80)}
        query = {"query": f"q{generator.randrange(4)}", "rank": generator.choice([None, 1, 2, 3])}
        # Ids of different length, so that the order of texts is not that of numbers.
        yield {"id": str(generator.randrange(ids) ** 2), "site": generator.choice("xy")} | kept | query


def by_brute_force(results):
    """(key -> row) with the fields of `made`."""
    found = {}
    for result in results:
        row = found.setdefault(f"{result['site']}/{result['id']}", {"tags": [], "comments": [], "queries": {}})
        for name in ("title", "description", "timestamp", "duration"):
            if row.get(name) is None:
                row[name] = result.get(name)
        if row.get("place") is None and result.get("latitude") is not None:
            row["place"] = (result["latitude"], result["longitude"])
        for name in ("tags", "comments"):
            for entry in result.get(name, ()):
                if entry not in row[name]:
                    row[name].append(entry)
        ranks = row["queries"].setdefault(result["query"], [])
        ranks += [result["rank"]] if result["rank"] else []
    return found


_read_job = passes.read_job


def read_job_that_dies(job, *others):
    """In the place of the first pass, as a decoder does that meets its end."""
    if any(piece.path.endswith("/2.jsonl") for piece in job.pieces):
        os.kill(os.getpid(), signal.SIGKILL)
    return _read_job(job, *others)


class MetadataTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.output = self.folder / "out/metadata.parquet"

    def write(self, name, results):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{json.dumps(result)}\n" for result in results), encoding="utf-8")

    def execute(self, *arguments, results="found"):
        out, err = io.StringIO(), io.StringIO()
        given = ["m", f"--output={self.output}", "--num_workers=1", *arguments]
        given += [f"--results={self.folder}/{results}"] if results else []
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = command.execute(metadata.main, metadata.FLAGS, metadata.__doc__, given)
        return code, out.getvalue(), (err.getvalue().splitlines() or [""])[-1]

    def rows(self):
        return [row for batch in table.read_rows(self.output) for row in batch.to_pylist()]

    def rejected(self):
        with open(self.output.with_suffix(".rejected.csv"), encoding="utf-8", newline="") as opened:
            return [tuple(row.values()) for row in csv.DictReader(opened)]

    def small(self):
        """Small files are divided and sorted as large ones are, in this process."""
        stack = contextlib.ExitStack()
        stack.enter_context(mock.patch.multiple(runs, _BATCH=4, _MOST_RECORDS=30, _BYTES_PER_RANGE=2000))
        stack.enter_context(mock.patch.multiple(jobs, _BYTES=3000, _FILES=3))

        def run(function, job_list, **_):
            return map(function, job_list)

        stack.enter_context(mock.patch.object(in_processes, "run_in_workers", run))
        return stack

    def compare(self, results):
        found, expected = self.rows(), by_brute_force(results)
        self.assertEqual([row["key"] for row in found], sorted(expected))
        for row in found:
            other = expected[row["key"]]
            self.assertEqual((row["title"], row["description"]), (other["title"], other["description"]))
            self.assertEqual((row["tags"], row["comments"]), (other["tags"], other["comments"]))
            self.assertEqual(row["duration"], other["duration"])
            uploaded = row["uploaded"] and row["uploaded"].replace(tzinfo=datetime.UTC).timestamp()
            self.assertEqual(uploaded, other["timestamp"])
            place = None if row["latitude"] is None else (row["latitude"], row["longitude"])
            self.assertEqual(place, other.get("place"))
            queries = {query["query"]: query["rank"] for query in row["queries"]}
            self.assertEqual(queries, {query: min(ranks, default=None) for query, ranks in other["queries"].items()})
            self.assertEqual([query["query"] for query in row["queries"]], sorted(queries))

    @parameterized.parameters(range(5))
    def test_rows_are_those_of_brute_force(self, seed):
        generator = random.Random(seed)
        results = list(made(generator, 400, 90))
        cuts = [0, *sorted(generator.sample(range(400), 5)), 400]
        for number, (start, end) in enumerate(itertools.pairwise(cuts)):
            self.write(f"found/{number}.jsonl", results[start:end])
        with self.small():
            code, out, _ = self.execute()
        self.assertEqual(code, 0, out)
        self.compare(results)
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
        results = list(made(random.Random(7), 300, 60))
        self.write("found/a.jsonl", results[:200])
        self.write("found/b.jsonl", results[200:])
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
        self.write("found/b.jsonl", results[200:250])
        with self.small():
            self.execute()
        self.compare(results[:250])

    def test_what_does_not_last_or_is_no_address_is_counted_and_listed(self):
        addresses = ["http://h/a?expire=5", "http://h/b", "http://h/c?expire=5", 7, None]
        formats = [{"format_id": str(number), "url": url} for number, url in enumerate(addresses)]
        self.write("found/a.jsonl", [{"id": "1", "site": "x", "formats": formats, "url_o": 5, "duration": "long"}])
        with self.small():
            _, out, _ = self.execute()
        self.assertEqual([entry["url"] for entry in self.rows()[0]["addresses"]], ["http://h/b"])
        reasons = [reason for _, place, key, reason in self.rejected() if (place, key) == ("line 1", "x/1")]
        self.assertCountEqual(
            reasons,
            [
                "duration: no number 'long'",
                "url_o: int instead of an address",
                "formats: 1 of 5 have no address",
                "formats: 2 of 5 addresses expire, left out",
            ],
        )
        self.assertIn("4 fields could not be read or kept whole (formats 2, ", out)

    def test_a_file_that_ends_its_process_is_listed_and_costs_no_other(self):
        results = list(made(random.Random(3), 400, 90))
        for number in range(4):
            self.write(f"found/{number}.jsonl", results[100 * number : 100 * number + 100])
        kept = results[:200] + results[300:]
        with mock.patch.object(passes, "read_job", read_job_that_dies):  # In processes.
            code, out, err = self.execute("--num_workers=2")
        self.assertEqual(code, 0, err)
        self.compare(kept)
        reason = "could not read the file: decoder crashed (signal 9)"
        self.assertEqual(self.rejected(), [(f"{self.folder}/found/2.jsonl", "", "", reason)])
        self.assertIn("1 files or pieces of files could not be read to the end", out)

    def test_a_piece_of_a_file_that_ends_its_process_is_listed_with_its_line(self):
        results = list(made(random.Random(3), 400, 90))
        self.write("found/a.jsonl", results)
        with self.small():

            def dying(function, job_list, **_):
                for job in job_list:
                    ends = isinstance(job, jobs.Job) and job.pieces[0].start == 6000
                    yield Failure("out of memory") if ends else function(job)

            with mock.patch.object(in_processes, "run_in_workers", dying):
                self.execute()
        lines = (self.folder / "found/a.jsonl").read_bytes().splitlines(keepends=True)
        ends = list(itertools.accumulate(map(len, lines)))
        lost = [number for number, end in enumerate(ends) if 6000 <= end - len(lines[number]) < 9000]
        self.compare([result for number, result in enumerate(results) if number not in lost])
        ((_, place, _, reason),) = self.rejected()
        self.assertEqual(place, f"line {lost[0] + 1}")
        self.assertEqual(reason, "could not read 3000 bytes from here on: out of memory")

    def test_a_json_file_that_is_too_large_is_listed_and_the_run_goes_on(self):
        self.write("found/a.json", [{"id": "1", "site": "x"}])
        self.write("found/b.json", [{"id": "2", "site": "x", "title": "t" * 500}])
        with self.small(), mock.patch.object(result_files, "_MOST_BYTES", 400):
            code, out, _ = self.execute()
        self.assertEqual((code, [row["key"] for row in self.rows()]), (0, ["x/1"]))
        ((path, _, _, reason),) = self.rejected()
        self.assertEqual((path, reason), (f"{self.folder}/found/b.json", "larger than 0 MB (save it as JSON lines)"))
        self.assertIn("1 results gave no row", out)

    def test_killed_process_leaves_what_goes_on(self):
        results = list(made(random.Random(8), 20_000, 5000))
        self.write("found/a.jsonl", results)
        arguments = [f"--results={self.folder}/found", f"--output={self.output}", "--num_workers=1"]
        whole = [sys.executable, "-m", "tools.noisyactions2m.metadata", *arguments]
        root = pathlib.Path(__file__).parents[2]
        with subprocess.Popen(whole, cwd=root, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and not list(self.output.parent.glob("*.parts/read-*.arrow")):
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
        self.assertEqual(self.execute()[0], 0)
        self.compare(results)

    def test_mistakes_are_one_line(self):
        self.write("found/a.jsonl", [{"id": "1", "site": "x"}])
        (self.folder / "empty").mkdir()
        (self.folder / "q.csv").write_text("a,b\n1,2\n")
        self.output.with_name("metadata.parquet.parts").mkdir(parents=True)
        (self.output.with_name("metadata.parquet.parts") / "thesis.pdf").touch()
        for arguments, results, said in (
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
            code, _, err = self.execute(*arguments, results=results)
            self.assertEqual((code, said in err), (2, True), err)


if __name__ == "__main__":
    tf.test.main()
