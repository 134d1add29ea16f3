"""What counts as another run: stable hashes of shipped configurations, and which bindings are in them."""

import hashlib
import json

import gin
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.bindings import tables
from spl_tf.experiment.arms import configured_arms
from spl_tf.training.identity import stage_settings

# Of the settings of the three stages; finished runs and lines of results files know a configuration by them.
HASHES = (
    ("demo.gin", "weak", "e1cf817c00ca"),
    ("ucf6.gin", "weak", "012d834cbe2e"),
    ("clothing_small.gin", "weak", "f01847250021"),
    ("papers/spl/table1.gin", "spl_b_anchor", "79df4d8fe04f"),
    ("papers/spl/table1.gin", "data_parameters", "a2c9eaf76bdf"),
    ("papers/spl/table5.gin", "spl_401k", "52a9974c1b5c"),
    ("papers/spl/table6.gin", "cleannet_soft", "fafd6306551d"),
)
AROUND_A_RUN = {
    "recipe",
    "record_keys",
    "video_folder",
    "rendered_videos",
    "render_actions",
    "predict_clips",
    "held_out_predictions",
    "predict_timeline",
    "evaluate_model",
    "class_groups",
    "score_shards",
    "cleannet",
    "hard_weights",
    "clip_features",
    "inference_engine",
    "openvino",
    "estimated_transition",
    "counted_transition",
    "spl_m",
    "spl_d",
    "spl_ib",
    "mopro",
}


class StageSettingsTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(*HASHES)
    def test_the_hash_of_a_configuration_stays(self, file, name, expected):
        configuration.parse([file])
        (arm,) = (arm for arm in configured_arms() if arm.name == name)
        with configuration.overridden(arm.bindings):
            settings = {stage: stage_settings(stage) for stage in configuration.STAGES[1:]}
        text = json.dumps(settings, sort_keys=True)
        self.assertEqual(hashlib.sha256(text.encode()).hexdigest()[:12], expected)

    def test_what_is_done_around_a_run_does_not_count_and_all_else_does(self):
        for selector, configurable in tables.configurables().items():
            if not selector.startswith(("spl_tf.", "keras.")):
                continue  # Of another test.
            for name in list(tables.settings(configurable))[:1]:
                configuration.parse([])
                with tables.restored(), gin.unlock_config():
                    tables.bind(tables.Binding("", selector, name, 1))
                    counted = configurable.name not in AROUND_A_RUN and name != "train_shards"
                    self.assertEqual(
                        stage_settings("pretrain"), {f"{configurable.name}.{name}": "1"} if counted else {}
                    )

    def test_settings_of_a_module_of_the_user_s_count(self):
        gin.external_configurable(lambda smoothing=0.0: smoothing, "smoothed_loss", module="my_losses")
        configuration.parse([], ["pretrain/smoothed_loss.smoothing = 0.1"])
        self.assertEqual(stage_settings("pretrain"), {"smoothed_loss.smoothing": "0.1"})
        self.assertEqual(stage_settings("finetune"), {})

    def test_where_things_lie_and_how_often_is_looked_does_not_count(self):
        around = ("train_shards = 's'", "labels_dir = 'l'", "steps_per_loop = 3", "profile_steps = (1, 2)")
        configuration.parse([], [f"train_stage.{binding}" for binding in (*around, "epochs = 3")])
        self.assertEqual(stage_settings("teacher"), {"train_stage.epochs": "3"})


if __name__ == "__main__":
    tf.test.main()
