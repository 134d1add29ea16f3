import pathlib

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import UserError
from spl_tf.labels.classes import read_classes, require_same_classes


class ClassesTest(parameterized.TestCase, tf.test.TestCase):
    def _file(self, content):
        path = pathlib.Path(self.get_temp_dir(), "classes.txt")
        path.write_bytes(content)
        return path

    @parameterized.parameters(
        b"horse race\narchery\n", b"horse race\narchery", b"\xef\xbb\xbfhorse race\r\narchery \r\n"
    )
    def test_classes_keep_the_order_of_the_lines(self, content):
        self.assertEqual(read_classes(self._file(content)), ("horse race", "archery"))

    @parameterized.parameters(
        (b"", "holds no classes"),
        (b"\n\n", "holds no classes"),
        (b"a\n\nb\n", "line 2 is empty"),
        (b"a\nb\n\n", "line 3 is empty"),
        (b"a\nb\na\n", "names 'a' on lines 1 and 3"),
        (b"\xff\xfea\n", "not UTF-8"),
    )
    def test_a_bad_classes_file_is_refused(self, content, message):
        with self.assertRaisesRegex(UserError, message):
            read_classes(self._file(content))

    def test_a_missing_classes_file_is_refused(self):
        for path in ("nowhere.txt", self.get_temp_dir()):
            with self.assertRaisesRegex(UserError, "(does not exist|is a folder, not a file): give a text file"):
                read_classes(path)

    @parameterized.parameters(
        (["a"], "class 1 is 'b' in web and missing in teacher"),
        (["a", "b", "c"], "class 2 is missing in web and 'c' in teacher"),
        (["b", "a"], "class 0 is 'a' in web and 'b' in teacher"),
    )
    def test_the_first_difference_is_named(self, second, message):
        with self.assertRaisesRegex(UserError, message):
            require_same_classes(["a", "b"], "web", second, "teacher")

    def test_equal_lists_pass_whatever_their_type(self):
        require_same_classes(["a", "b"], "web", ("a", "b"), "teacher")


if __name__ == "__main__":
    tf.test.main()
