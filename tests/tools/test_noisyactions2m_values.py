"""Values of search results are read however they are written, or there is a reason why not."""

import datetime
import math

import tensorflow as tf
from absl.testing import parameterized

from tools.noisyactions2m import values


def seconds(*date):
    return int(datetime.datetime(*date, tzinfo=datetime.UTC).timestamp())


class ValuesTest(parameterized.TestCase):
    @parameterized.parameters(
        (values.uploaded, 1307449200, 1307449200),
        (values.uploaded, "1307449200", 1307449200),
        (values.uploaded, "1307449200.9", 1307449200),
        (values.uploaded, 1307449200000, 1307449200),
        (values.uploaded, "20110605", seconds(2011, 6, 5)),
        (values.uploaded, "2011-06-05T12:00:00+02:00", seconds(2011, 6, 5, 10)),
        (values.taken, "1901-02-03 04:05:06", seconds(1901, 2, 3, 4, 5, 6)),
        (values.taken, "", None),
        (values.seconds, "61.5", 61.5),
        (values.seconds, "1:02:03", 3723.0),
        (values.seconds, {"duration": "12"}, 12.0),
        (values.rank, "3", 3),
        (values.identifier, 5807883939, "5807883939"),
        (values.identifier, 5807883939.0, "5807883939"),
        (values.text, " caf\u00c3\u00a9 ", "caf\u00c3\u00a9"),  # Broken before it came here: kept.
        (values.text, "\ud83d", "\\ud83d"),
        (values.text, "&#39;&quot;", "'\""),
        (values.text, {"_content": 7}, "7"),
        (values.text, "   ", None),
    )
    def test_value_is_read(self, read, value, expected):
        self.assertEqual(read(value), expected)

    @parameterized.parameters(
        (values.uploaded, "0000-00-00 00:00:00"),
        (values.uploaded, "2011-13-01"),
        (values.uploaded, 0),
        (values.uploaded, "99999999999999999999"),
        (values.uploaded, "1307-01-01"),
        (values.uploaded, [2011]),
        (values.uploaded, True),
        (values.taken, "yesterday"),
        (values.number, "1,5"),
        (values.number, math.nan),
        (values.number, "inf"),
        (values.number, 10**400),
        (values.seconds, -1),
        (values.rank, 0),
        (values.rank, 1.5),
        (values.text, ["a"]),
        (values.text, False),
        (values.identifier, "two words"),
        (values.identifier, "a\x00b"),
    )
    def test_value_that_cannot_be_read_is_an_error_with_a_reason(self, read, value):
        with self.assertRaises(ValueError) as caught:
            read(value)
        self.assertNotEmpty(str(caught.exception))


if __name__ == "__main__":
    tf.test.main()
