"""The list of settings as lines for a terminal, and as a page in Markdown."""

import textwrap
from collections.abc import Sequence

from spl_tf.bindings.documented import Documented, Setting
from spl_tf.bindings.reading import nearest
from spl_tf.errors import UserError

_WIDEST_NAME = 46
_HEADER = """\
# Settings

Everything a gin file, or `--gin_param`, may set. `python -m spl_tf.settings` prints the same,
`python -m spl_tf.settings epochs` what has "epochs" in its name;
`python -m spl_tf.settings --markdown > docs/settings.md` makes this page.

    train_stage.epochs = 30              # for all stages
    pretrain/train_stage.epochs = 6      # for one: selfsup, teacher, pretrain or finetune
    train_stage.backbone = @resnet3d     # a reference to a function
    EPOCHS = 30                          # a macro,
    train_stage.epochs = %EPOCHS         # and where it is used

REQUIRED has no default. The optimizers @SGD, @Adam and @AdamW are
[those of Keras](https://keras.io/api/optimizers/), e.g. `SGD.momentum = 0.9`.
"""


def matching(documented: Sequence[Documented], name: str) -> list[Documented]:
    """The settings that have `name` in theirs; a stage before it is left out.

    Raises:
      UserError: there are none; with the nearest name.
    """
    part = name.rsplit("/", 1)[-1].lower()
    found = []
    for configurable in documented:
        settings = tuple(setting for setting in configurable.settings if part in setting.name.lower())
        if settings or part in configurable.name.lower():
            found.append(Documented(configurable.name, configurable.module, configurable.headline, settings))
    if not found:
        known = [setting for configurable in documented for setting in configurable.settings]
        names = {word for setting in known for word in (setting.name, setting.configurable, setting.parameter)}
        raise UserError(f"no setting has {name!r} in its name{nearest(part, sorted(names))}")
    return found


def as_text(documented: Sequence[Documented], width: int) -> str:
    """Lines of at most `width` characters, where the names leave room for that."""
    heads = [_head(setting) for configurable in documented for setting in configurable.settings]
    column = min(max(map(len, heads), default=0), _WIDEST_NAME)
    blocks = []
    for configurable in documented:
        lines = [f"@{configurable.name}, of {configurable.module}: {configurable.headline}"]
        for setting in configurable.settings:
            head = _head(setting)
            text = textwrap.wrap(setting.text, max(width - column - 4, 30)) or [""]
            if len(head) > column:
                lines.append(f"  {head}")
                head = ""
            lines += [f"  {'' if row else head:<{column}}  {line}".rstrip() for row, line in enumerate(text)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def as_page(documented: Sequence[Documented]) -> str:
    """A list of links, then a section for every configurable."""
    links = (
        f"* [{configurable.name}](#{configurable.name.lower()}): {configurable.headline}" for configurable in documented
    )
    sections = [_HEADER, "\n".join(links) + "\n"]
    for configurable in documented:
        lines = [f"## {configurable.name}", "", f"{configurable.headline} (`{configurable.module}`)", ""]
        if configurable.settings:
            lines += ["| setting | default | |", "|---|---|---|"]
        for setting in configurable.settings:
            lines.append(f"| `{setting.name}` | `{setting.default}` | {setting.text.replace('|', chr(92) + '|')} |")
        sections.append("\n".join(lines).rstrip() + "\n")
    return "\n".join(sections)


def _head(setting: Setting) -> str:
    return f"{setting.name} = {setting.default}"
