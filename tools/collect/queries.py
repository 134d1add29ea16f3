"""Makes the list of web searches from class names and their translations.

  python -m tools.collect.queries --preset=webk200 --classes=classes.txt --translations=mine.csv --output=queries.csv
  python -m tools.collect.queries --preset=webs4 --classes=soccer.txt --output=queries.csv
  python -m tools.collect.queries --languages=en,de --classes=classes.txt --translations=de.csv --output=queries.csv

--classes has one class a line. --translations is a CSV file with the columns class,language,text and
optionally source; several rows for a class and a language are several searches. The English text of a
class is its name split into words (PlayingPiano, playing_piano: "playing piano"); English rows in a
translations file take its place.

Presets, the rules of the SPL paper (section 4.1, appendix C):

  webk200   class names in English, French, Spanish and Portuguese (en,fr,es,pt)
  webs4     nine terms for the three foreground classes of SoccerNet and "soccer full match" for the
            background, in English, French and Spanish (en,fr,es). The terms are webs4_queries.csv beside
            this module: the English ones are the paper's, the translations ours. The classes must be
            named as there: Background, Card, Goal, Substitution.

Written, for --output=queries.csv:

  queries.csv            query (the class),language,text,source; what tools.collect.manifest joins with
  queries.missing.csv    class,language,text,english: pairs without a translation, the text left empty.
                         Rename it, fill it in and give it as another --translations.
  queries.searches.txt   every text once, after --search_prefix: a batch file for yt-dlp
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from spl_tf import command, files
from spl_tf.errors import UserError
from spl_tf.labels.classes import read_classes
from tools.collect import query_list, tables

FLAGS = flags.FlagValues()
flags.DEFINE_string("classes", None, "Text file with one class name a line.", flag_values=FLAGS)
flags.DEFINE_multi_string("translations", [], "CSV file with class,language,text, repeatable.", flag_values=FLAGS)
flags.DEFINE_enum("preset", None, ["webk200", "webs4"], "A rule of the paper.", flag_values=FLAGS)
flags.DEFINE_list("languages", None, "Languages to search in, e.g. en,fr; the preset's.", flag_values=FLAGS)
flags.DEFINE_string("search_prefix", "ytsearch200:", "Of the lines of the batch file.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "CSV file for the query list.", flag_values=FLAGS)

_LANGUAGES = {"webk200": ("en", "fr", "es", "pt"), "webs4": ("en", "fr", "es")}
_WEBS4_TERMS = pathlib.Path(__file__).with_name("webs4_queries.csv")
_MISSING = ".missing.csv"
_SEARCHES = ".searches.txt"
_SHOWN = 5


def main() -> None:
    command.require_flags(FLAGS, "classes", "output")
    languages = FLAGS.languages or _LANGUAGES.get(FLAGS.preset, ())
    languages = list(dict.fromkeys(language.strip() for language in languages if language.strip()))
    if not languages:
        raise UserError("no languages: give --languages=en,fr,... or --preset")
    print(
        write_queries(
            read_classes(FLAGS.classes),
            [pathlib.Path(path) for path in FLAGS.translations],
            languages,
            tables.output_path(FLAGS.output, (_MISSING, _SEARCHES), [FLAGS.classes, *FLAGS.translations]),
            webs4=FLAGS.preset == "webs4",
            search_prefix=FLAGS.search_prefix,
        )
    )


def write_queries(
    classes: Sequence[str],
    translations: Sequence[pathlib.Path],
    languages: Sequence[str],
    output: pathlib.Path,
    webs4: bool = False,
    search_prefix: str = "ytsearch200:",
) -> str:
    """Writes the query list, the missing translations and the batch file; returns a summary.

    Args:
      classes: ordered class names.
      translations: CSV files with class,language,text.
      languages: to search in, in this order.
      output: the query list; the other files lie beside it.
      webs4: whether to search for the paper's terms of WebS4.
      search_prefix: of each line of the batch file.

    Raises:
      UserError: a file is no table, there is no query at all, or a class of WebS4 is absent.
    """
    papers = _read_terms([_WEBS4_TERMS]) if webs4 else []
    absent = [term.class_name for term in papers if term.class_name not in classes]
    if absent:
        raise UserError(
            f"the classes file has no {absent[0]!r}: name its classes as {_WEBS4_TERMS.name} does, "
            "or give your own terms with --translations instead of --preset=webs4"
        )
    terms = papers + _read_terms(translations)
    unknown = [name for name in dict.fromkeys(term.class_name for term in terms) if name not in classes]
    queries = query_list.make(classes, terms, languages)
    if not queries:
        raise UserError(f"no class has a text in {','.join(languages)}: give --translations or add en to --languages")
    pairs = query_list.missing(queries, classes, languages)
    texts = query_list.by_text(queries)

    rows = [(query.class_name, query.language, query.text, query.source) for query in queries]
    tables.write(output, query_list.COLUMNS, rows)
    gaps = [(name, language, "", query_list.words(name)) for name, language in pairs]
    tables.write(output.with_suffix(_MISSING), ("class", "language", "text", "english"), gaps)
    lines = [f"{search_prefix}{found[0].text}\n" for found in texts.values()]
    files.write_text(output.with_suffix(_SEARCHES), "".join(lines))

    shared = [found[0].text for found in texts.values() if len({query.class_name for query in found}) > 1]
    summary = [
        f"{output}: {len(queries)} queries for {len(classes)} classes, {len(texts)} different searches",
        _note("translations missing", [f"{name} ({language})" for name, language in pairs]),
        _note("classes of the translations ignored, not in the classes file", unknown),
        _note("texts serve several classes, what they find gets a row for each", shared),
    ]
    return "\n".join(line for line in summary if line)


def _read_terms(paths: Sequence[pathlib.Path]) -> list[query_list.Query]:
    return [
        query_list.Query(row["class"], row["language"], query_list.squeezed(row["text"]), row.get("source", ""))
        for path in paths
        for row in tables.read(path, ("class", "language", "text"), "--translations")
    ]


def _note(what: str, names: Sequence[str]) -> str:
    """One line that counts the names and shows the first ones; empty without names."""
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"{len(names)} {what}: {shown}" if names else ""


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
