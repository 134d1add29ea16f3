"""Makes the lists of a web alternative to one of the source data sets: its classes, our videos (paper section 7.2).

  python -m tools.noisyactions2m.source_lists --source=UCF101 --metadata=metadata.parquet --queries=queries.csv \\
      --output=ucf101

A class has the videos found with the query that its name became; its name is the data set's own. Classes of one query
have the same videos and are named in the summary. The files are those of tools.noisyactions2m.classes; --more_than
videos are needed for a class, here by default one.
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError
from tools.noisyactions2m import classes, query_labels, query_rows

FLAGS = flags.FlagValues()
flags.DEFINE_string("source", None, "The data set, as the query list calls it.", flag_values=FLAGS)
flags.DEFINE_string("metadata", None, "The table of metadata, a Parquet file.", flag_values=FLAGS)
flags.DEFINE_string("queries", None, "The query list, a CSV file.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "Folder for the lists.", flag_values=FLAGS)
flags.DEFINE_integer("more_than", 0, "A class has more videos than this.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Of the drawn single labels.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_enum("video_names", "id", query_labels.VIDEO_NAMES, "What names a video in a list.", flag_values=FLAGS)


def main() -> None:
    command.require_flags(FLAGS, "source", "metadata", "queries", "output")
    queries, names = of_source(query_rows.class_rows(query_rows.read(FLAGS.queries)), FLAGS.source)
    videos = query_labels.read(FLAGS.metadata, queries, FLAGS.video_names)
    flat = [name for listed in names for name in listed]
    starts = [sum(map(len, names[:place])) for place in range(len(names))]
    videos = videos.relabelled([range(start, start + len(listed)) for start, listed in zip(starts, names, strict=True)])
    print(classes.write(pathlib.Path(FLAGS.output), flat, videos, FLAGS.more_than, FLAGS.seed))
    for query, listed in zip(queries, names, strict=True):
        if len(listed) > 1:
            print(f"one query, the same videos: {', '.join(listed)} ({query})")


def of_source(rows: Sequence[query_rows.QueryRow], source: str) -> tuple[list[str], list[list[str]]]:
    """Queries of a data set's classes, and the names each has there.

    Raises:
      UserError: no class is from that data set.
    """
    found = {row.query: list(dict.fromkeys(name for of, name in row.origins if of == source)) for row in rows}
    found = {query: names for query, names in found.items() if names}
    if not found:
        sources = sorted({of for row in rows for of, _ in row.origins})
        raise UserError(f"--source={source}: the query list has classes of {', '.join(sources) or 'no data set'}")
    return list(found), list(found.values())


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
