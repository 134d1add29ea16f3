"""Scores the texts of the videos with a classifier of the user's own, for figure 2 of the paper.

  python -m tools.noisyactions2m.entities --metadata=metadata.parquet --plugin=my_classifier:score --output=scores

--plugin is MODULE:FUNCTION, a module on PYTHONPATH. The function gets a list of texts and returns one dictionary a
text, entity -> score from 0 to 1; which entities there are is its own affair. The authors took the 23 top entities of
YouTube-8M and a zero-shot classifier on bart-large-mnli (appendix A.2); no model comes with this package.

--attributes says which texts are scored, each apart: title, description, tags, comments, concepts, sentences. Lists
are joined by ", "; videos without the text are left out.

Written into the folder --output: part-00000.parquet, ... with video,attribute,entity,score (see entity_counts.py), and
settings.json. A part that is there is not made again: the same command goes on from where it was stopped.
"""

import importlib
import math
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tqdm
from absl import flags

from spl_tf import command, files, stored
from spl_tf.errors import UserError
from tools.noisyactions2m import entity_counts, table

ATTRIBUTES = ("title", "description", "tags", "comments", "concepts", "sentences")
_ROWS_A_PART = 4096

FLAGS = flags.FlagValues()
flags.DEFINE_string("metadata", None, "The table of metadata, a Parquet file.", flag_values=FLAGS)
flags.DEFINE_string("plugin", None, "The classifier, MODULE:FUNCTION.", flag_values=FLAGS)
flags.DEFINE_list("attributes", ["title", "concepts"], "Texts to score.", flag_values=FLAGS)
flags.DEFINE_integer("texts_at_once", 256, "Texts of one call.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_string("output", None, "Folder for the scores.", flag_values=FLAGS)

Plugin = Callable[[list[str]], Sequence[Mapping[str, float]]]


def main() -> None:
    command.require_flags(FLAGS, "metadata", "plugin", "attributes", "output")
    if unknown := [name for name in FLAGS.attributes if name not in ATTRIBUTES]:
        raise UserError(f"--attributes: {unknown[0]!r} is none of {', '.join(ATTRIBUTES)}")
    plugin = load(FLAGS.plugin)
    folder = pathlib.Path(FLAGS.output)
    settings = {
        "metadata": files.sha256(FLAGS.metadata),
        "plugin": FLAGS.plugin,
        "attributes": list(FLAGS.attributes),
    }
    with files.locked(folder, "the scores"):
        _require_same(folder / "settings.json", settings)
        made = there = 0
        parts = _parts(FLAGS.metadata, FLAGS.attributes)
        for number, batch in enumerate(tqdm.tqdm(parts, desc="scoring", unit="part")):
            path = folder / f"part-{number:05}.parquet"
            if path.exists():
                there += 1
                continue
            scores = score(batch, FLAGS.attributes, plugin, FLAGS.texts_at_once)
            with files.atomic_path(path) as temporary:
                pq.write_table(scores, temporary, compression="zstd")
            made += 1
    print(f"{folder}: {made} parts scored, {there} were there")


def load(name: str) -> Plugin:
    """The function that MODULE:FUNCTION names.

    Raises:
      UserError: there is none.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function) if module and function else None
    except (ImportError, AttributeError) as error:
        raise UserError(f"--plugin={name}: {error}; give MODULE:FUNCTION of a module on PYTHONPATH") from error
    if not callable(found):
        raise UserError(f"--plugin={name} is no function: give MODULE:FUNCTION of a module on PYTHONPATH")
    return found


def score(batch: pa.RecordBatch, attributes: Sequence[str], plugin: Plugin, texts_at_once: int) -> pa.Table:
    """The scores of some videos, with the columns of `entity_counts.SCHEMA`.

    Raises:
      UserError: the plug-in returns something else than it should.
    """
    rows: list[tuple[str, str, str, float]] = []
    for attribute in attributes:
        texts = [(key, text) for key, text in zip(batch["key"].to_pylist(), _texts(batch[attribute]), strict=True)]
        texts = [(key, text) for key, text in texts if text]
        for start in range(0, len(texts), texts_at_once):
            keys, given = zip(*texts[start : start + texts_at_once], strict=True)
            for key, scores in zip(keys, _checked(plugin(list(given)), len(given)), strict=True):
                rows += [(key, attribute, entity, value) for entity, value in scores.items()]
    columns = zip(*rows, strict=True) if rows else [()] * len(entity_counts.SCHEMA)
    return pa.table([list(column) for column in columns], entity_counts.SCHEMA)


def _checked(answer: Any, number: int) -> list[dict[str, float]]:
    wanted = f"a list of {number} dictionaries, one a text, entity -> score from 0 to 1"
    try:
        scores = [{str(entity): float(value) for entity, value in one.items()} for one in answer]
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(f"the plug-in's answer cannot be read ({error}): let it return {wanted}") from error
    if len(scores) != number:
        raise UserError(f"the plug-in gave {len(scores)} answers to {number} texts: let it return {wanted}")
    for value in (value for one in scores for value in one.values()):
        if not 0 <= value <= 1 or math.isnan(value):
            raise UserError(f"the plug-in gave the score {value}: let it return {wanted}")
    return scores


def _texts(column: pa.Array) -> list[str]:
    values = column.to_pylist()
    return [(", ".join(filter(None, value)) if isinstance(value, list) else value or "").strip() for value in values]


def _parts(metadata: files.Path, attributes: Sequence[str]) -> Iterator[pa.RecordBatch]:
    for batch in table.read_rows(metadata, ["key", *attributes]):
        for start in range(0, len(batch), _ROWS_A_PART):
            yield batch.slice(start, _ROWS_A_PART)


def _require_same(path: pathlib.Path, settings: dict[str, object]) -> None:
    """Scores of two classifiers, or of two tables, must not lie in one folder."""
    if not path.exists():
        files.write_json(path, settings)
    elif stored.read_json(path, dict[str, Any], "choose another --output") != settings:
        raise UserError(f"{path.parent} has scores of other settings ({path.name}): choose another --output")


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__)
