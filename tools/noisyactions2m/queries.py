"""Makes the list of searches of NoisyActions2M from class names and captions (section 3, appendix A.1).

  python -m tools.noisyactions2m.queries --classes=UCF101=classInd.txt --classes=Kinetics400=kinetics_400.csv \\
      --captions=COCO=captions_train2017.json --output=queries.csv

--classes, repeatable, is NAME=PATH with a data set's classes as its authors publish them; class_names.py lists the
forms. --captions, repeatable, is NAME=PATH with sentences: JSON, CSV or lines, see captions.py.

Written, for --output=queries.csv:

  queries.csv          query,kind,origins. The query is lemmatised; each one once for each kind (class, sentence), with
                       the NAME:ORIGINAL it stands for, joined by |. Names have a backslash before |, : and \\.
  queries.report.csv   source,kind,original,query,shared_with,unknown_words: what each class and sentence became, the
                       first other original with this query, the words the dictionary lacks. A name without any letter
                       or digit has no query.
"""

import collections
import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Sequence

import tqdm
from absl import flags

from spl_tf import command
from spl_tf.data.lists.csv_tables import text
from spl_tf.errors import UserError
from tools.collect import tables
from tools.noisyactions2m import lemmas
from tools.noisyactions2m.captions import read_captions
from tools.noisyactions2m.class_names import read_class_names
from tools.noisyactions2m.query_rows import CLASS, COLUMNS, SENTENCE

FLAGS = flags.FlagValues()
flags.DEFINE_multi_string("classes", [], "NAME=PATH of a data set's class names, repeatable.", flag_values=FLAGS)
flags.DEFINE_multi_string("captions", [], "NAME=PATH of a data set's sentences, repeatable.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "CSV file for the queries.", flag_values=FLAGS)

REPORT_COLUMNS = ("source", "kind", "original", "query", "shared_with", "unknown_words")
_REPORT = ".report.csv"
_ESCAPED = str.maketrans({mark: f"\\{mark}" for mark in "\\|:"})


@dataclasses.dataclass(frozen=True)
class Original:
    """A class name or sentence: the data set's name, class or sentence, and the text as published."""

    source: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.source.translate(_ESCAPED)}:{self.text.translate(_ESCAPED)}"


def main() -> None:
    command.require_flags(FLAGS, "output")
    if not FLAGS.classes + FLAGS.captions:
        raise UserError("--classes or --captions missing, see --help")
    classes = [_named(value, "--classes") for value in FLAGS.classes]
    captions = [_named(value, "--captions") for value in FLAGS.captions]
    inputs = [path for _, path in classes + captions]
    output = tables.output_path(FLAGS.output, (_REPORT,), inputs)
    originals = [Original(name, CLASS, found) for name, path in classes for found in read_class_names(path)]
    originals += [Original(name, SENTENCE, found) for name, path in captions for found in _sentences(path)]
    print(write(output, originals))


def merged(originals: Iterable[Original]) -> dict[tuple[str, str], list[Original]]:
    """(query, kind) -> its originals; those without a word are under an empty query. In the order of first mention."""
    queries: dict[tuple[str, str], list[Original]] = {}
    for original in tqdm.tqdm(originals, desc="lemmatising", unit="name"):
        queries.setdefault((lemmas.lemmatised(original.text), original.kind), []).append(original)
    return queries


def write(output: pathlib.Path, originals: Sequence[Original]) -> str:
    """Writes the queries and the report; returns a summary."""
    queries = merged(dict.fromkeys(originals))
    lines = ((query, kind, "|".join(map(str, found))) for (query, kind), found in queries.items() if query)
    tables.write(output, COLUMNS, lines)
    tables.write(output.with_suffix(_REPORT), REPORT_COLUMNS, _report(queries))
    summary = [f"{output}:"]
    for kind, plural in ((CLASS, "classes"), (SENTENCE, "sentences")):
        groups = {query: found for (query, of), found in queries.items() if of == kind}
        count = sum(map(len, groups.values()))
        if count:
            without = len(groups.pop("", ()))
            summary.append(f"{count} {plural} became {len(groups)} queries, {without} have no word")
    counts = collections.Counter(original.source for original in originals)
    summary.append(", ".join(f"{name} {count}" for name, count in counts.items()))
    return "\n".join([*summary, f"each original is in {output.with_suffix(_REPORT).name}"])


def _report(queries: dict[tuple[str, str], list[Original]]) -> Iterator[Sequence[str]]:
    for (query, kind), found in queries.items():
        for original in found:
            other = found[1] if original is found[0] and len(found) > 1 else found[0]
            shared = "" if not query or other is original else str(other)
            unknown = (word for word in lemmas.words_of(original.text) if not lemmas.is_known(word))
            yield original.source, kind, original.text, query, shared, " ".join(unknown)


def _sentences(path: str) -> Iterator[str]:
    return (" ".join(text(sentence).split()) for sentence in read_captions(path))


def _named(value: str, flag: str) -> tuple[str, str]:
    name, equals, path = value.partition("=")
    if not (name.strip() and equals and path):
        raise UserError(f"{flag}={value} is not NAME=PATH: put the data set's name and = before the path")
    return name.strip(), path


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
