"""The names a notebook uses, and what importing them costs."""

import subprocess
import sys

import numpy as np
import tensorflow as tf

from spl_tf import labels

_HEAVY = "sorted({'tensorflow', 'keras', 'matplotlib', 'cv2'} & set(sys.modules))"


def run(code):
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


class NamesTest(tf.test.TestCase):
    def test_every_promised_name_is_there(self):
        for name in labels.__all__:
            self.assertTrue(callable(getattr(labels, name)), name)
        self.assertContainsSubset(labels.__all__, dir(labels))
        with self.assertRaises(AttributeError):
            labels.spl_c  # noqa: B018
        with self.assertRaises(ImportError):
            from spl_tf.labels import spl_c  # noqa: F401

    def test_a_name_is_never_hidden_by_a_module_that_is_imported_later(self):
        names = ", ".join(labels.__all__)
        code = "import importlib, pkgutil, spl_tf.labels as labels\n"
        code += "for module in pkgutil.iter_modules(labels.__path__):\n"
        code += "    importlib.import_module(f'spl_tf.labels.{module.name}')\n"
        code += f"from spl_tf.labels import {names}\nprint(all(map(callable, [{names}])))"
        self.assertEqual(run(code), "True")

    def test_the_example_of_the_package_runs(self):
        weak, teacher = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 0, 1])
        label_map = labels.spl_b(labels.count_pairs(weak, teacher, 2), ["run", "jump"])
        self.assertAllEqual(label_map.apply(weak, teacher), [0, 2, 1, 3, 1])

    def test_importing_the_package_or_the_command_imports_no_library(self):
        code = "import sys, spl_tf.labels, spl_tf.label; "
        code += "print(sorted({'numpy', 'pyarrow', 'matplotlib', 'tensorflow'} & set(sys.modules)))"
        self.assertEqual(run(code), "[]")

    def test_labelling_imports_neither_tensorflow_nor_matplotlib_before_it_draws(self):
        modules = "assign, labellers, summary_text, label_folder, sidecar_files, transition"
        code = f"import sys, spl_tf.label; from spl_tf.labels import {modules}; "
        code += f"from spl_tf.cleaning import methods; print({_HEAVY})"
        self.assertEqual(run(code), "[]")


if __name__ == "__main__":
    tf.test.main()
