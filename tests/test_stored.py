"""JSON of ours is what it is declared to be, or one line that names file and field."""

import dataclasses
import json
import os
import pathlib
from typing import Any

import msgspec
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import stored
from spl_tf.errors import UserError
from spl_tf.stored import Count, Name, read_json


@dataclasses.dataclass
class Entry:
    name: Name
    records: Count


class Listed(msgspec.Struct):
    shards: list[Entry]
    by_name: dict[Name, Count] = {}
    fps: float = 1.0
    notes: Any = None


ENTRY = '{"name": "a", "records": 1}'


class ReadJsonTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "a.json"

    def read(self, content, kind=Listed, **options):
        self.path.write_bytes(content if isinstance(content, bytes) else content.encode(errors="surrogatepass"))
        return read_json(self.path, kind, "run it again", **options)

    def test_what_was_written_is_read_and_further_fields_are_passed_over(self):
        read = self.read(json.dumps({"shards": [{"name": "ü 1", "records": 3, "x": 0}], "fps": 25, "y": []}))
        self.assertEqual(read, Listed([Entry("ü 1", 3)], fps=25.0))

    @parameterized.parameters(
        ("", "truncated"),
        ("null", "expected object, got null"),
        ("[[[[", "expected object, got array"),
        ('{"shards": [], "notes": ' + "[" * 1_000_000, "recursion"),
        ("{}", "missing required field shards"),
        ('{"shards": [{"name": "a"}]}', r"shards\[0\]: .*missing required field records"),
        ('{"shards": [{"name": "a", "records": 1.5}]}', r"shards\[0\].records: expected int, got float"),
        ('{"shards": [{"name": "a", "records": 1e400}]}', r"shards\[0\].records: number out of range"),
        ('{"shards": [{"name": "a", "records": -1}]}', r"shards\[0\].records: expected int >= 0"),
        ('{"shards": [{"name": "a", "records": %s}]}' % ("9" * 5000), r"shards\[0\].records: integer value out of"),
        ('{"shards": [], "fps": 1e999}', "fps: number out of range"),
        ('{"shards": [], "fps": NaN}', "malformed"),
        ('{"shards": [], "fps": "25"}', "fps: expected float, got str"),
        (b'{"shards": [], "notes": "\xff"}', "UTF-8"),
        ('{"shards": [], "notes": "\\ud800"}', ""),
    )
    def test_anything_else_is_one_line_with_the_field(self, content, message):
        with self.assertRaisesRegex(UserError, rf"a.json is damaged or not ours \(.*{message}.*\): run it again$"):
            self.read(content)

    @parameterized.parameters(
        "", ".", "..", "../a", "/a", "a/b", "a/", "a\\b", "..\\a", "a\0", "a\n", "\x1f", "a\x7f", "a/../../b"
    )
    def test_a_name_is_never_a_path(self, name):
        self.assertFalse(stored.is_name(name))
        for place, message in (
            ({"shards": [{"name": name, "records": 1}]}, r"shards\[0\].name: expected a name, not a path"),
            ({"shards": [], "by_name": {name: 1}}, "by_name: expected a name, not a path as a key"),
        ):
            with self.assertRaisesRegex(UserError, message):
                self.read(json.dumps(place))

    @parameterized.parameters("web-00003-of-00008", ".hidden", "...", "a b", "ü", "a..b", "-", "日本")
    def test_other_texts_are_names(self, name):
        self.assertTrue(stored.is_name(name))
        self.assertEqual(self.read(json.dumps({"shards": [{"name": name, "records": 1}]})).shards[0].name, name)

    def test_another_version_is_told_before_anything_else(self):
        with self.assertRaisesRegex(UserError, "format version 2, this package reads 1: run it again, or use the pack"):
            self.read('{"format_version": 2, "of": "the future"}', version=1)
        with self.assertRaisesRegex(UserError, "missing required field format_version"):
            self.read('{"shards": []}', version=1)
        with self.assertRaisesRegex(UserError, "format_version: expected int, got array"):
            self.read('{"shards": [], "format_version": [1]}', version=1)
        self.assertEqual(self.read('{"shards": [], "format_version": 1}', version=1), Listed([]))

    def test_what_is_no_file_is_told_before_it_is_read(self):
        with self.assertRaisesRegex(UserError, "a.json does not exist: run it again"):
            read_json(self.path, Listed, "run it again")
        os.mkfifo(self.path)
        with self.assertRaisesRegex(UserError, "a.json is a named pipe, not a file: run it again"):
            read_json(self.path, Listed, "run it again")

    def test_a_file_too_large_to_be_ours_is_not_read(self):
        with open(self.path, "wb") as opened:
            opened.truncate(1 << 40)
        with self.assertRaisesRegex(UserError, "a.json is larger than any such file of ours: run it again"):
            read_json(self.path, Listed, "run it again")


if __name__ == "__main__":
    tf.test.main()
