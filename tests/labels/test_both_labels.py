"""A list of clean and noisy labels is read whole or refused."""

import pathlib

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.labels.both_labels import read_both_labels


class BothLabelsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "both_labels.csv"

    def test_rows_are_counted_clean_by_noisy(self):
        self.path.write_text('label,title,query\nrun,"a, b",run\njump,"two\nlines",run\nrun,,jump\nrun,x,run\n')
        self.assertAllEqual(read_both_labels(self.path, ("run", "jump")), [[2, 1], [1, 0]])

    @parameterized.parameters('run,"x,run\njump,y,run\n', 'run,x,run\njump,"y,run\njump,"z,jump\n')
    def test_a_quote_that_does_not_end_loses_no_row_but_is_refused(self, rows):
        self.path.write_text(f"label,title,query\nrun,x,run\njump,x,jump\n{rows}")
        with self.assertRaisesRegex(UserError, "both_labels.csv is not a CSV file in UTF-8"):
            read_both_labels(self.path, ("run", "jump"))
