"""What counts as another run: stable hashes of shipped configurations, and which bindings are in them."""

import hashlib
import json

import gin
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.bindings import tables
from spl_tf.training.identity import stage_settings

# Of the settings of the three stages; finished runs and lines of results files know a configuration by them.
HASHES = {
    "demo.gin": "fff95574adeb",
    "ucf6.gin": "b2ec4a0a018b",
    "clothing_small.gin": "c7c88020b327",
    "papers/spl/table1_spl_b_anchor.gin": "e72d3c75a686",
    "papers/spl/table1_data_parameters.gin": "26fb586f4c15",
    "papers/spl/table5_73k_spl.gin": "a9246f27659f",
    "papers/spl/table6_cleannet.gin": "341217e33f24",
}
AROUND_A_RUN = {
    "recipe",
    "video_folder",
    "rendered_videos",
    "render_actions",
    "predict_clips",
    "evaluate_model",
    "score_shards",
    "cleannet",
    "hard_weights",
    "clip_features",
    "estimated_transition",
    "counted_transition",
}


class StageSettingsTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(*HASHES.items())
    def test_the_hash_of_a_configuration_stays(self, name, expected):
        configuration.parse([name])
        settings = {stage: stage_settings(stage) for stage in configuration.STAGES}
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

    def test_where_things_lie_and_how_often_is_looked_does_not_count(self):
        around = ("train_shards = 's'", "labels_dir = 'l'", "steps_per_loop = 3", "profile_steps = (1, 2)")
        configuration.parse([], [f"train_stage.{binding}" for binding in (*around, "epochs = 3")])
        self.assertEqual(stage_settings("teacher"), {"train_stage.epochs": "3"})


if __name__ == "__main__":
    tf.test.main()
