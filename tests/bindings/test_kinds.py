"""A value of the wrong kind is refused with the form that fits, before anything is built."""

import gin
import tensorflow as tf
from absl.testing import parameterized

from spl_tf import configuration
from spl_tf.bindings import kinds, tables
from spl_tf.errors import UserError

FITTING = (
    "train_stage.learning_rate = 0.01",
    "train_stage.learning_rate = @warmup_cosine",
    "train_stage.optimizer = @AdamW",
    "pretrain/train_stage.data_parameters = @DataParameters",
    "train_stage.data_parameters = None",
    "train_stage.backbone = @pretrain/resnet3d",
    "train_stage.clip_norm = 1",
    "train_stage.profile_steps = [10, 20]",
    "train_stage.validation_shards = 'shards'",
    "recipe.transition = @counted_transition",
    "recipe.strategies = ('spl',)",
    "resnet3d.non_local = 5",
    "resnet3d.non_local = [[], [1, 3], [], []]",
    "resnet3d.stem_kernel = [1, 7, 7]",
    "resnet3d.non_local_block = @cgnl_block",
    "resnet2d.border_color = (123.68, 116, 103.939)",
    "forward_correction.transition = [[0.9, 0.1], [0, 1]]",
    "forward_correction.transition = 'T.npy'",
    "classifier.dropout = 0",
    "SGD.momentum = 0.9",
    "SGD.weight_decay = 1e-4",
)


class KindsTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(*FITTING)
    def test_what_fits_is_taken(self, binding):
        configuration.parse([], [binding])

    @parameterized.parameters(
        ("train_stage.learning_rate = -1", "give a reference or a number above 0: @fixmatch_cosine or @warm"),
        ("train_stage.learning_rate = '0.1'", "give a reference or a number above 0: @fixmatch_cosine or @warm"),
        (
            "train_stage.learning_rate = @warmup_cosine()",
            r"give a reference or a number above 0: @warmup_cosine, without \(\)$",
        ),
        ("train_stage.optimizer = 'adam'", "train_stage.optimizer = 'adam': give a reference: @Adam$"),
        ("train_stage.optimizer = @resnet3d", "give a reference: @Adam, @AdamW or @SGD$"),
        ("train_stage.backbone = 'resnet3d'", "give a reference: @resnet3d$"),
        ("train_stage.backbone = 'resnet_3d'", r"give a reference: .*\(did you mean 'resnet3d'\?\)$"),
        ("train_stage.backbone = @resnet3d()", r"give a reference: @resnet3d, without \(\)$"),
        ("train_stage.backbone = 50", "give a reference: @classifier, @r2plus1d, .*, @s3d or @tiny_network$"),
        ("train_stage.loss = 'anchor_loss'", "give a reference or None: @anchor_loss$"),
        ("pretrain/train_stage.data_parameters = True", "give a reference or None: @DataParameters$"),
        ("resnet3d.non_local_block = 'cgnl'", "give a reference, e.g. @non_local_block$"),
        ("train_stage.epochs = @warmup_cosine", "give a number$"),
        ("train_stage.precision = @resnet3d()", "give a text in quotes$"),
        ("classifier.dropout = 5", "classifier.dropout = 5: give a number from 0 to below 1$"),
        ("classifier.dropout = 1", "give a number from 0 to below 1$"),
        ("softmax_cross_entropy.label_smoothing = -0.1", "give a number from 0 to below 1$"),
        ("warmup_cosine.peak = 0", "give a number above 0$"),
        ("recipe.seeds = 3", r"recipe.seeds = 3: give a list of whole numbers, e.g. \[3\]$"),
        ("recipe.seeds = [0.5]", "give a list of whole numbers$"),
        ("recipe.strategies = 'spl'", r"give a list of texts in quotes or None, e.g. \['spl'\]$"),
        ("recipe.strategies = ['spl', 1]", "give a list of texts in quotes or None$"),
        ("recipe.arms = 'spl_b'", r"recipe.arms = 'spl_b': give a table in braces, \{'name': ...\} or None$"),
        ("resnet3d.stem_kernel = (7, 7)", "give 3 whole numbers$"),
        ("resnet3d.non_local = 'all'", "give a whole number or a list of lists of whole numbers$"),
        ("resnet3d.temporal_kernels = [3, 1]", r"give a list of lists of whole numbers or None, e.g. \[\[3, 1\]\]$"),
        ("train_stage.init_weights = 3", "give a text in quotes or None$"),
        ("forward_correction.transition = 3", "give a list of lists of numbers or a text in quotes$"),
        ("SGD.momentum = '0.9'", "SGD.momentum = '0.9': give a number$"),
        ("SGD.nesterov = 1", "give True or False$"),
    )
    def test_what_does_not_fit_is_one_line_with_the_right_form(self, binding, message):
        with self.assertRaisesRegex(UserError, "^gin binding .*" + message):
            configuration.parse([], [binding])

    def test_the_value_of_a_macro_counts_also_within_a_list(self):
        configuration.parse([], ["SEED = 3", "recipe.seeds = [%SEED]"])
        with self.assertRaisesRegex(UserError, r"recipe.seeds = \['3'\]: give a list of whole numbers$"):
            configuration.parse([], ["SEED = '3'", "recipe.seeds = [%SEED]"])

    def test_every_default_of_every_configurable_fits_its_own_annotation(self):
        for configurable in tables.configurables().values():
            for name, parameter in tables.settings(configurable).items():
                if parameter.default in (parameter.empty, gin.REQUIRED) or callable(parameter.default):
                    continue
                with self.subTest(f"{configurable.name}.{name}"):
                    binding = tables.Binding("", configurable.selector, name, parameter.default)
                    kinds.require_fitting([binding])


if __name__ == "__main__":
    tf.test.main()
