"""The flags of a study's command, and the arms they choose."""

import operator
from collections.abc import Sequence
from typing import Any

from absl import flags

from spl_tf import command
from spl_tf.errors import UserError


def study_flags(choice: str, description: str) -> flags.FlagValues:
    """Those of every study, and the list flag `choice` of what is run."""
    defined = flags.FlagValues()
    command.define_gin_flags(defined)
    flags.DEFINE_bool("replace_changed", False, "As of spl_tf.recipe.", flag_values=defined)
    flags.DEFINE_string("output_dir", None, "Folder for everything but the results.", flag_values=defined)
    flags.DEFINE_string("results", None, "JSON lines file, appended to.", flag_values=defined)
    flags.DEFINE_list(choice, [], f"{description}, all by default.", flag_values=defined)
    return defined


def chosen_arms(arms: Sequence[Any], attribute: str, choice: str, names: Sequence[str]) -> list[Any]:
    """The arms whose attribute is among the names given with --`choice`, all if none is given.

    Raises:
      UserError: no arm has one of the names.
    """
    name = operator.attrgetter(attribute)
    known = list(dict.fromkeys(map(name, arms)))
    if unknown := [given for given in names if given not in known]:
        raise UserError(f"--{choice}={unknown[0]}: give some of {', '.join(known)}")
    return [arm for arm in arms if not names or name(arm) in names]
