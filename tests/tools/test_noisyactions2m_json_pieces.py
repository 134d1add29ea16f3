"""JSON in pieces, compared with the same text decoded at once."""

import io
import json
import random
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from tools.noisyactions2m import json_pieces

_NAMES = ("caption", "tokens", "a", 'b"c', "\u00e9")


def made(generator, levels):
    """A random value, nested at most so deep."""
    kind = generator.randrange(7 if levels else 5)
    if kind < 5:
        return generator.choice([None, True, -12.5e3, 12345678, "", 'x, ]}\\"\u00e9', "\U0001f600"])
    entries = [made(generator, levels - 1) for _ in range(generator.randrange(4))]
    return entries if kind == 5 else {generator.choice(_NAMES): entry for entry in entries}


def divided(value, name, levels):
    """The pieces by the definition."""
    if levels and isinstance(value, dict):
        return [piece for key, entry in value.items() for piece in divided(entry, key, levels - 1)]
    if levels and isinstance(value, list) and name != "tokens":
        return [piece for entry in value for piece in divided(entry, name, levels - 1)]
    return [(name, value)]


class JsonPiecesTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(characters=[1, 2, 7, 1 << 20], indent=[None, 2])
    def test_pieces_are_those_of_the_whole(self, characters, indent):
        generator = random.Random(characters)
        with mock.patch.object(json_pieces, "_CHARACTERS", characters):
            for _ in range(150):
                value = made(generator, 5)
                text = json.dumps(value, indent=indent, ensure_ascii=generator.random() < 0.5)
                found = list(json_pieces.read(io.StringIO(f" {text}\n"), "tokens"))
                self.assertEqual(found, divided(value, "", 2))

    @parameterized.parameters(
        *("", "[", "{", '{"a"', '{"a":', '{"a": 1', "[1 2]", "[1,]", '{"a": 1,}', "{1: 2}", "[] []", "nul", '["a'),
        "[" * 99_999,
    )
    def test_damage_is_an_error(self, text):
        with self.assertRaises((ValueError, RecursionError)):
            list(json_pieces.read(io.StringIO(text), "tokens"))

    def test_no_more_is_held_than_a_few_pieces(self):
        content = json.dumps({"annotations": [{"caption": "x" * 80}] * 20_000})
        text, most, count = json_pieces._Text(io.StringIO(content)), 0, 0
        with mock.patch.object(json_pieces, "_CHARACTERS", 100):
            for _, piece in json_pieces._pieces(text, "", "tokens", 2):
                count += piece == {"caption": "x" * 80}
                most = max(most, len(text._held))
        self.assertEqual(count, 20_000)
        self.assertLess(most, 1000)


if __name__ == "__main__":
    tf.test.main()
