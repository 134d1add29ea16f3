"""Lists what a gin file may set, with defaults and what each setting means.

  python -m spl_tf.settings
  python -m spl_tf.settings epochs
  python -m spl_tf.settings resnet3d.

A name, or a part of one, lists what has it in its own. A setting goes into a gin file, or onto the command line as

  --gin_param="train_stage.epochs = 30"              for all stages
  --gin_param="pretrain/train_stage.epochs = 6"      for one: selfsup, teacher, pretrain or finetune
  --gin_param="train_stage.backbone = @resnet3d"     a reference to a function

REQUIRED has no default. --markdown prints the page docs/settings.md.
"""

import shutil

from absl import flags

from spl_tf import command

FLAGS = flags.FlagValues()
flags.DEFINE_string("name", None, "Name of a setting, or a part of it; --name= may be left out.", flag_values=FLAGS)
flags.DEFINE_bool("markdown", False, "Print a page in Markdown, of spl_tf's own settings.", flag_values=FLAGS)


def main() -> None:
    from spl_tf.bindings.documented import document_optimizers, document_package
    from spl_tf.bindings.settings_text import as_page, as_text, matching

    documented = document_package()
    if FLAGS.markdown:
        print(as_page(documented), end="")
        return
    documented += document_optimizers()
    if FLAGS.name is not None:
        documented = matching(documented, FLAGS.name)
    print(as_text(documented, shutil.get_terminal_size((120, 24)).columns))


if __name__ == "__main__":
    command.run(main, FLAGS, __doc__, argument="name")
