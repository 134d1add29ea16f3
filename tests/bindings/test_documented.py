"""The list of settings says what gin would: same names, same defaults, and a line for each."""

import inspect
import pathlib

import gin
import tensorflow as tf

from spl_tf.bindings import tables
from spl_tf.bindings.documented import argument_texts, document_optimizers, document_package
from spl_tf.bindings.settings_text import as_page, as_text, matching
from spl_tf.errors import UserError

ROOT = pathlib.Path(__file__).parents[2]


def _registered(rooms):
    """{(full name, parameter): default}, as gin knows them."""
    return {
        (selector, name): parameter.default
        for selector, configurable in tables.configurables().items()
        if selector.startswith(rooms)
        for name, parameter in tables.settings(configurable).items()
    }


def _read(documented):
    return {
        (f"{configurable.module}.{configurable.name}", setting.parameter): setting.default
        for configurable in documented
        for setting in configurable.settings
    }


class DocumentedTest(tf.test.TestCase):
    def test_the_settings_read_from_the_source_are_those_gin_may_set(self):
        for documented, rooms in ((document_package(), "spl_tf."), (document_optimizers(), "keras.")):
            registered, read = _registered(rooms), _read(documented)
            self.assertEqual(read.keys(), registered.keys())
            for key, default in registered.items():
                with self.subTest(key):
                    if default in (gin.REQUIRED, inspect.Parameter.empty):
                        self.assertEqual(read[key], "REQUIRED")
                    elif callable(default):
                        self.assertEqual(read[key], f"@{default.__name__}")
                    else:
                        self.assertEqual(eval(read[key]), default)

    def test_every_setting_and_every_configurable_has_a_line(self):
        for configurable in document_package():
            self.assertNotEmpty(configurable.headline, configurable.name)
            for setting in configurable.settings:
                self.assertNotEmpty(setting.text, f"{setting.name}: add it to Args of the docstring")

    def test_lines_of_several_and_over_several_lines(self):
        docstring = "What.\n\nArgs:\n  a, b: two\n    of them: yes.\n  c: one.\n\nReturns:\n  d: no.\n"
        self.assertEqual(argument_texts(docstring), {"a": "two of them: yes.", "b": "two of them: yes.", "c": "one."})
        self.assertEmpty(argument_texts("What.\n\nReturns:\n  d: no.\n"))

    def test_a_part_of_a_name_chooses_and_a_mistyped_one_is_refused(self):
        documented = document_package()
        names = [
            setting.name for found in matching(documented, "teacher/train_stage.epochs") for setting in found.settings
        ]
        self.assertEqual(names, ["train_stage.epochs"])
        (network,) = matching(documented, "Resnet3D")
        self.assertIn("resnet3d.depth", [setting.name for setting in network.settings])
        self.assertEqual([found.name for found in matching(documented, "rendered_videos")], ["rendered_videos"])
        for mistake, meant in (("epocs", "epochs"), ("tran_stage", "train_stage"), ("resnet3d.dpth", "resnet3d.depth")):
            with self.assertRaisesRegex(UserError, f"no setting has '{mistake}' in its name .did you mean '{meant}'"):
                matching(documented, mistake)

    def test_a_line_has_name_default_and_text(self):
        text = as_text(matching(document_package(), "train_stage.epochs"), 100)
        self.assertIn("\n  train_stage.epochs = REQUIRED  passes over the kept clips.", text)
        self.assertLessEqual(max(map(len, as_text(document_package(), 100).splitlines())), 170)

    def test_the_page_is_today_s(self):
        page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
        self.assertEqual(
            page, as_page(document_package()), "run python -m spl_tf.settings --markdown > docs/settings.md"
        )


if __name__ == "__main__":
    tf.test.main()
