"""How long the table of metadata takes, and how much memory, on made search results.

  python -m tools.benchmark.metadata --records=2000000 --form=jsonl --folder=/tmp/made

Results are made, as they are of Flickr: pages of 250 (--form=pages, in folders), one result a line of one file (jsonl),
or rows of one CSV file (csv). A video is found by 1.25 queries on average, has a title, a description of 40 words and
12 tags, and every ninth 5 comments; every thousandth result is damaged. The folder is kept, and used again.
"""

import csv
import json
import pathlib
import random
import threading
import time
from collections.abc import Iterator

from absl import flags

from spl_tf import command
from tools.benchmark.processes import memory_now, usage_of_all

FLAGS = flags.FlagValues()
flags.DEFINE_integer("records", 200_000, "How many results there are.", flag_values=FLAGS)
flags.DEFINE_enum("form", "jsonl", ["jsonl", "pages", "csv"], "Of the files.", flag_values=FLAGS)
flags.DEFINE_integer("num_workers", 2, "Processes.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_string("folder", None, "For the made files and the table.", flag_values=FLAGS)

_PER_PAGE = 250
_QUERIES = 7_000
_RESULTS_PER_VIDEO = 1.25


def main() -> None:
    from tools.noisyactions2m import metadata, table
    from tools.noisyactions2m.result_files import Options

    command.require_flags(FLAGS, "folder")
    folder = pathlib.Path(FLAGS.folder)
    made = folder / f"{FLAGS.form}-{FLAGS.records}"
    if not made.exists():
        _make(made, FLAGS.records, FLAGS.form)
    output = folder / "metadata.parquet"
    size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    watch = _Watch()
    begun = time.monotonic()
    print(metadata.make_table([str(made)], output, Options("flickr"), num_workers=FLAGS.num_workers))
    ended = time.monotonic()
    watch.stop()
    spent = usage_of_all()
    print(f"{FLAGS.records:,} results, {size / 1e9:.2f} GB: {ended - begun:.0f} s, processor", end=" ")
    print(f"{sum(usage.ru_utime + usage.ru_stime for usage in spent):.0f} s")
    print(f"memory of all processes together at most {watch.most / 1e9:.2f} GB, of the largest", end=" ")
    print(f"{max(usage.ru_maxrss for usage in spent) / 1e6:.2f} GB; table {output.stat().st_size / 1e9:.2f} GB")
    begun = time.monotonic()
    count = sum(batch.num_rows for batch in table.read_rows(output))
    print(f"read back: {count:,} rows, {time.monotonic() - begun:.0f} s")


class _Watch:
    """The largest `memory_now`, looked at twice a second."""

    def __init__(self) -> None:
        self.most = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.5):
            self.most = max(self.most, memory_now())


def _make(folder: pathlib.Path, count: int, form: str) -> None:
    """Writes the results into a folder that is there when all of them are."""
    from tqdm import tqdm

    temporary = folder.with_name(f"{folder.name}.tmp")
    temporary.mkdir(parents=True)
    results = tqdm(_results(count), total=count, desc="making results", unit="result", unit_scale=True)
    if form == "jsonl":
        with open(temporary / "found.jsonl", "w", encoding="utf-8") as opened:
            for number, result in enumerate(results):
                line = json.dumps(result, ensure_ascii=False)
                opened.write(f"{line[:50] if number % 1000 == 999 else line}\n")
    elif form == "csv":
        with open(temporary / "found.csv", "w", encoding="utf-8", newline="") as opened:
            writer = csv.writer(opened)
            for number, result in enumerate(results):
                result = {name: "|".join(value) if isinstance(value, list) else value for name, value in result.items()}
                if number == 0:
                    writer.writerow(result)
                writer.writerow(["", *result.values()] if number % 1000 == 999 else result.values())
    else:
        for page, photos in enumerate(_pages(results)):
            place = temporary / photos[0]["query"] / f"{page}.json"
            place.parent.mkdir(exist_ok=True)
            answer = {"photos": {"page": 1, "perpage": _PER_PAGE, "photo": photos}, "stat": "ok"}
            place.write_text(f"jsonFlickrApi({json.dumps(answer, ensure_ascii=False)})", encoding="utf-8")
    temporary.rename(folder)


def _pages(results: Iterator[dict]) -> Iterator[list[dict]]:
    photos = []
    for number, result in enumerate(results, 1):
        photos.append({**result, "id": None} if number % 1000 == 0 else result)
        if len(photos) == _PER_PAGE:
            yield photos
            photos = []
    if photos:
        yield photos


def _results(count: int) -> Iterator[dict]:
    generator = random.Random(0)
    words = ["".join(generator.choices("etaoinshrdlu\u00e9", k=generator.randrange(2, 10))) for _ in range(20_000)]
    videos = max(1, int(count / _RESULTS_PER_VIDEO))
    for number in range(count):
        # Each video once, then a quarter of them again.
        video = number if number < videos else generator.randrange(videos)
        name = str(5_000_000_000 + video * 7_919 % 10**9)
        yield {
            "id": name,
            "owner": f"{generator.randrange(10**8)}@N01",
            "title": " ".join(generator.choices(words, k=6)),
            "description": " ".join(generator.choices(words, k=40)),
            "license": str(generator.randrange(11)),
            "dateupload": str(1_100_000_000 + generator.randrange(500_000_000)),
            "datetaken": f"{generator.randrange(2004, 2021)}-06-05 12:33:10",
            "tags": " ".join(generator.choices(words, k=12)),
            "comments": [" ".join(generator.choices(words, k=8)) for _ in range(5 if video % 9 == 0 else 0)],
            "latitude": f"{generator.uniform(-60, 70):.6f}" if video % 5 == 0 else 0,
            "longitude": f"{generator.uniform(-180, 180):.6f}" if video % 5 == 0 else 0,
            "accuracy": "16" if video % 5 == 0 else 0,
            "duration": str(generator.randrange(3, 400)),
            "media": "video",
            "url_o": f"https://live.staticflickr.com/65535/{name}_0123456789_o.jpg",
            "url_m": f"https://live.staticflickr.com/65535/{name}_0123456789_m.jpg",
            "query": f"query {generator.randrange(_QUERIES)}",
            "rank": generator.randrange(1, 4000),
        }


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
