"""One registry for all that labels a web set: identities, checks, and what a call hands on."""

import pathlib
import subprocess
import sys
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import clean, configuration, files, label, recipe
from spl_tf.cleaning import clean_labels, labellers
from spl_tf.cleaning.labellers import LABELLERS, LabelSource, find_labeller
from spl_tf.errors import UserError
from spl_tf.labels import assign
from spl_tf.labels.labellers import PAIR_LABELLERS

CLASSES = ("run", "jump", "swim")
CLEANING = {"cleannet_soft", "cleannet_hard", "confident_learning"}


class LabellersTest(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        configuration.parse([])
        folder = pathlib.Path(self.create_tempdir().full_path)
        for name in ("predictions/predictions.json", "teacher/folded.keras"):
            files.write_text(folder / name, name)
        digests = {"web": "digest of web", "clean": "digest of clean"}
        self.folder = folder
        self.source = LabelSource(
            folder / "web", folder / "predictions", folder / "teacher", folder / "target", digests, 0.25, 7
        )

    def test_it_holds_every_labeller_and_only_weak_labels_do_without_the_teacher(self):
        self.assertEqual(set(LABELLERS), set(PAIR_LABELLERS) | CLEANING)
        self.assertEqual({name: each.name for name, each in LABELLERS.items()}, {name: name for name in LABELLERS})
        self.assertEqual([name for name, each in LABELLERS.items() if not each.uses_teacher], ["weak"])

    def test_every_labeller_is_in_the_help_of_its_command(self):
        def first_words(text):
            return {line.split()[0] for line in text.splitlines() if line.startswith("  ") and line.split()}

        self.assertContainsSubset(PAIR_LABELLERS, first_words(label.__doc__))
        self.assertContainsSubset(CLEANING, first_words(clean.__doc__))
        self.assertContainsSubset(CLEANING, clean.FLAGS["method"].help.rstrip(".").replace(",", " ").split())
        # Whose manuals these are; its own says no names that they might lack.
        for manual in ("spl_tf.label", "spl_tf.clean"):
            self.assertIn(manual, recipe.__doc__)

    @parameterized.parameters(
        ("weak", {"num_labels": "None", "min_confidence": "0.0"}),
        ("spl_b", {"num_labels": "None", "min_confidence": "0.25"}),
        ("spl_m", {"num_labels": "7", "min_confidence": "0.25"}),
        ("mopro", {"num_labels": "None", "min_confidence": "0.25", "threshold": "0.8"}),
    )
    def test_labels_of_pairs_depend_on_options_and_predictions(self, name, expected):
        predictions = files.sha256(self.folder / "predictions" / "predictions.json")
        expected |= {"strategy": name, "predictions": predictions}
        for seed in (0, 1):
            self.assertEqual(LABELLERS[name].identity(self.source, seed), expected)

    def test_cleaned_labels_depend_on_seed_teacher_clips_and_the_bindings_of_cleaning(self):
        bindings = ["cleannet.steps = 7", "pretrain/hard_weights.threshold = 0.5", "finetune/cleannet.steps = 8"]
        configuration.parse([], [*bindings, "recipe.rounds = 2"])
        expected = {"cleannet.steps": "7", "hard_weights.threshold": "0.5", "method": "cleannet_hard", "seed": "3"}
        expected |= {"web": "digest of web", "clean": "digest of clean"}
        expected |= {"model": files.sha256(self.folder / "teacher" / "folded.keras")}
        self.assertEqual(LABELLERS["cleannet_hard"].identity(self.source, 3), expected)

    @parameterized.parameters(
        ("weak", {}, 0.0), ("spl_b", {}, 0.25), ("spl_d", {"num_labels": 7}, 0.25), ("mopro", {}, 0.25)
    )
    def test_options_and_confidence_reach_only_the_labellers_that_have_them(self, name, options, min_confidence):
        with mock.patch.object(assign, "assign_labels", return_value={"kept": 1}) as called:
            self.assertEqual(LABELLERS[name].write(self.source, self.folder / "L", 0), {"kept": 1})
        called.assert_called_once_with(
            self.source.predictions, name, self.folder / "L", min_confidence=min_confidence, **options
        )

    def test_options_are_bindings_that_the_recipe_s_own_number_of_labels_overrides(self):
        configuration.parse([], ["spl_m.num_labels = 5", "spl_d.num_labels = 6", "pretrain/mopro.threshold = 0.9"])
        without = LabelSource(**{**vars(self.source), "num_labels": None})
        self.assertEqual(LABELLERS["spl_m"].identity(without, 0)["num_labels"], "5")
        self.assertEqual(LABELLERS["spl_m"].identity(self.source, 0)["num_labels"], "7")
        self.assertEqual(LABELLERS["spl_d"].identity(without, 0)["num_labels"], "6")
        with mock.patch.object(assign, "assign_labels") as called:
            LABELLERS["mopro"].write(without, self.folder / "L", 0)
        self.assertEqual(called.call_args.kwargs, {"min_confidence": 0.25, "threshold": 0.9})

    def test_cleaning_gets_the_folders_and_the_bindings_of_the_pre_training(self):
        configuration.parse([], ["pretrain/hard_weights.threshold = 0.5"])
        cosine = np.float32([0.3, 0.7])
        with mock.patch.object(
            clean_labels, "clean_labels", side_effect=lambda *_: {"weights": clean_labels.hard_weights(cosine)}
        ) as called:
            written = LABELLERS["cleannet_hard"].write(self.source, self.folder / "L", 4)
        self.assertAllEqual(written["weights"], [0, 1])
        source = self.source
        features = self.folder / "features"
        called.assert_called_once_with(
            source.teacher, source.shards, source.clean, "cleannet_hard", self.folder / "L", 4, features
        )

    @parameterized.parameters(
        ("spl_m", "spl_m.num_labels = 10", "num_labels is 10, but spl_m over 3 classes makes 3 to 9"),
        ("mopro", "mopro.threshold = 1.5", "mopro: threshold is 1.5, a probability"),
        ("cleannet_soft", "pretrain/cleannet.steps = 0", "cleannet.steps = 0: give a whole number from 1"),
    )
    def test_a_bad_option_is_found_by_check(self, name, binding, message):
        configuration.parse([], [binding])
        with self.assertRaisesRegex(UserError, message):
            find_labeller(name).check(CLASSES)

    @parameterized.parameters(*(set(LABELLERS) - {"confident_learning"}))
    def test_the_check_tells_the_form_of_the_targets(self, name):
        form = find_labeller(name).check(CLASSES)
        forms = dict.fromkeys(("dawid_skene", "cell_posterior", "crowdlab"), "distribution") | {"partial": "candidates"}
        self.assertEqual(form, forms.get(name, "single"))

    def test_a_binding_of_another_type_is_refused_when_it_is_parsed(self):
        for binding in ("spl_m.num_labels = 'many'", "mopro.threshold = None"):
            with self.assertRaisesRegex(UserError, f"gin binding {binding}: give"):
                configuration.parse([], [binding])
        with self.assertRaisesRegex(UserError, "spl_b"):
            configuration.parse([], ["spl_b.num_labels = 5"])

    @parameterized.parameters(("spl_c", "spl_[bmd]"), ("cleanet_soft", "cleannet_soft"))
    def test_an_unknown_name_gets_the_nearest(self, name, near):
        with self.assertRaisesRegex(UserError, f"there is no strategy '{name}': did you mean {near}"):
            find_labeller(name)

    def test_the_registry_imports_no_tensorflow(self):
        code = f"import sys, {labellers.__name__}; "
        code += "print(sorted({'tensorflow', 'keras', 'matplotlib', 'cv2'} & set(sys.modules)))"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(found.stdout.strip(), "[]")


if __name__ == "__main__":
    tf.test.main()
