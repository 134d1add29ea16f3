"""A set in Clothing1M's layout that cannot be used is one line that says why; a run that is stopped leaves no set."""

import pathlib
import shutil
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from spl_tf.errors import Terminated, UserError
from spl_tf.experiment.video_lists import video_folder
from tests.commands import last_line, run_command
from tools.clothing1m import layout, manifest

# Of each list: its keys and the file of their labels.
_LISTS = {
    layout.CLEAN_TRAIN: ("images/0/t.jpg", layout.CLEAN_LABELS),
    layout.CLEAN_VALIDATION: ("images/1/v.jpg", layout.CLEAN_LABELS),
    layout.CLEAN_TEST: ("images/2/e.jpg", layout.CLEAN_LABELS),
    layout.NOISY_TRAIN: ("images/3/n.jpg", layout.NOISY_LABELS),
}
_FILES = (layout.CLASSES, *_LISTS, layout.CLEAN_LABELS, layout.NOISY_LABELS)


class FaultsTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.data, self.output = self.folder / "set", self.folder / "lists"
        self.write(layout.CLASSES, "Dress\nVest\n")
        for name, (key, _) in _LISTS.items():
            self.write(name, f"{key}\n")
            self.write(key, "image")
        self.write(layout.CLEAN_LABELS, "images/0/t.jpg 0\nimages/1/v.jpg 1\nimages/2/e.jpg 1\n")
        self.write(layout.NOISY_LABELS, "images/3/n.jpg 0\n")

    def write(self, name, content):
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def execute(self, *arguments):
        """Runs the command: exit code, stdout, last line of stderr."""
        code, out, err = run_command(manifest, f"--data={self.data}", f"--output_dir={self.output}", *arguments)
        return code, out, last_line(err)

    def assert_refused(self, *messages, arguments=()):
        code, _, error = self.execute(*arguments)
        self.assertEqual(code, 2, error)
        for message in messages:
            self.assertIn(message, error)
        self.assertFalse(self.output.exists())
        return error

    def test_wrong_options_are_refused(self):
        self.assert_refused("is no folder", arguments=[f"--data={self.folder / 'none'}"])
        self.assert_refused("--workers=0", arguments=["--workers=0"])

    @parameterized.parameters(*_FILES)
    def test_a_missing_text_file_is_refused(self, name):
        (self.data / name).unlink()
        self.assert_refused(f"{name} is neither in {self.data} nor in {self.data / 'annotations'}")

    @parameterized.parameters(
        ("", "holds no classes"),
        ("\n \n", "holds no classes"),
        ("Dress\nVest\nDress\n", "names a class twice"),
        ("Dress\n连衣裙\n".encode("gbk"), "is not UTF-8 text: save it as UTF-8"),
        ("Dress\nDécolleté\n".encode("latin-1"), "is not UTF-8 text: save it as UTF-8"),
        ("Dress\nVe\0st\n", "is not UTF-8 text: save it as UTF-8"),
    )
    def test_unusable_class_names_are_refused(self, content, message):
        self.write(layout.CLASSES, content)
        self.assert_refused(f"{self.data / layout.CLASSES} {message}")

    @parameterized.product(name=_FILES, encoding=("utf-16", "utf-16-le", "utf-16-be"))
    def test_a_file_in_utf_16_is_refused(self, name, encoding):
        self.write(name, (self.data / name).read_text().encode(encoding))
        self.assert_refused(f"{self.data / name} is UTF-16, not UTF-8 text: save it as UTF-8")

    @parameterized.parameters(*_LISTS)
    def test_an_empty_list_is_refused(self, name):
        self.write(name, "\n")
        self.assert_refused(f"{self.data / name} has no keys: write one a line")

    @parameterized.parameters(*_LISTS)
    def test_a_list_with_a_missing_image_alone_is_refused_for_the_folder(self, name):
        key, _ = _LISTS[name]
        self.write(name, f"\n{key}\n{key}\n{key}\n")  # What is repeated is not the reason.
        (self.data / key).unlink()
        self.assert_refused(
            f"{self.data / name} has no usable key: missing image for '{key}' in line 2 (1 of 1 keys): ",
            f"{self.data / key} is not there: --data must be the folder that the keys start from",
        )

    def test_of_many_reasons_the_most_frequent_is_named(self):
        self.write(layout.NOISY_TRAIN, "images/3/list.txt\nimages/3/n.jpg\nimages/3/lost.jpg\n")
        self.write(layout.NOISY_LABELS, "images/3/list.txt 0\nimages/3/n.jpg 2\nimages/3/lost.jpg 3\n")
        self.assert_refused("label out of range (2 of 2 classes) for 'images/3/n.jpg' in line 2 (2 of 3 keys)")

    def test_all_lists_without_a_usable_key_are_named(self):
        shutil.rmtree(self.data / "images")
        others = ", ".join(list(_LISTS)[1:])
        self.assert_refused(f"{layout.CLEAN_TRAIN} has no usable key (nor has {others}): missing image")

    @parameterized.product(
        [
            {"line": "{key},0", "reason": "no label"},
            {"line": "0 {key}", "reason": "no label"},
            {"line": "other/{key} 0", "reason": "no label"},
            {"line": "{key} Dress", "reason": "label is no class id ('Dress')"},
            {"line": "{key} 1.0", "reason": "label is no class id ('1.0')"},
            {"line": "{key} 0 20", "reason": "line of 3 columns"},
        ],
        name=tuple(_LISTS),
    )
    def test_labels_at_fault_are_refused_with_a_line_of_them_and_no_word_on_the_folder(self, line, reason, name):
        key, labels = _LISTS[name]
        line = line.format(key=key)
        others = [] if labels == layout.NOISY_LABELS else (self.data / labels).read_text().splitlines()
        self.write(labels, "\n".join([line, *(other for other in others if key not in other)]))
        error = self.assert_refused(
            f"{self.data / name} has no usable key: {reason} for '{key}' in line 1 (1 of 1 keys): ",
            f"a line of {self.data / labels} is '<key> <class id>' with a key as in the list; the first is '{line}'",
        )
        self.assertNotIn("--data", error)

    def test_a_list_with_labels_in_it_is_refused(self):
        self.write(layout.NOISY_TRAIN, "images/3/n.jpg 0\n")
        error = self.assert_refused("no label for 'images/3/n.jpg 0' in line 1", "the first is 'images/3/n.jpg 0'")
        self.assertNotIn("--data", error)

    def test_a_file_without_labels_is_refused(self):
        self.write(layout.NOISY_LABELS, "")
        self.assert_refused("no label for 'images/3/n.jpg'", f"{layout.NOISY_LABELS} is '<key>", "; it has none")

    def test_a_set_that_is_all_in_another_is_refused(self):
        self.write(layout.CLEAN_VALIDATION, "images/2/e.jpg\n")
        self.assert_refused(
            f"{layout.CLEAN_VALIDATION} has no usable key: also in {layout.CLEAN_TEST} for 'images/2/e.jpg'",
            "every set needs usable images of its own",
        )

    def test_a_set_that_verifying_empties_is_refused(self):
        with mock.patch.object(manifest.image_files, "damaged", lambda paths, workers: ["damaged image"] * len(paths)):
            self.assert_refused("damaged image for 'images/0/t.jpg' in line 1 (1 of 1 keys)", arguments=["--verify"])

    @parameterized.parameters(("1", "2", True), ("1", "1", False), ("0", "2", False), ("2", "3", True))
    def test_labels_that_seem_to_count_from_1_are_noted(self, first, second, is_noted):
        self.write("images/3/m.jpg", "image")
        self.write("images/3/o.jpg", "image")
        self.write(layout.NOISY_TRAIN, "images/3/n.jpg\nimages/3/m.jpg\nimages/3/o.jpg\n")
        self.write(layout.NOISY_LABELS, f"images/3/n.jpg {first}\nimages/3/m.jpg {second}\nimages/3/o.jpg 1\n")
        code, out, _ = self.execute()
        self.assertEqual(code, 0)
        note = f"{self.data / layout.NOISY_LABELS} has labels 2 and none 0, of 2 classes: do they count from 1?"
        self.assertEqual(note in out, is_noted)
        self.assertNotIn(f"{layout.CLEAN_LABELS} has labels", out)

    @parameterized.product(
        stop=((KeyboardInterrupt, 130, "interrupted"), (Terminated, 143, "terminated")),
        file_name=("target_train.csv", "web.csv", "rejected.csv"),
    )
    def test_a_run_that_is_stopped_leaves_no_folder_that_can_be_used(self, stop, file_name):
        self.execute()
        video_folder(self.folder, folder=self.output)
        exception, exit_code, word = stop
        write = manifest.tables.write

        def write_until(path, *arguments):
            if path.name == file_name:
                raise exception()
            write(path, *arguments)

        with mock.patch.object(manifest.tables, "write", write_until):
            code, _, error = self.execute()
        self.assertEqual((code, error), (exit_code, f"spl_tf: {word}; the same command begins anew"))
        with self.assertRaisesRegex(UserError, "has no classes.txt"):
            video_folder(self.folder, folder=self.output)
        self.assertEqual(self.execute()[0], 0)
        video_folder(self.folder, folder=self.output)


if __name__ == "__main__":
    tf.test.main()
