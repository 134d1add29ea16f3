"""Which of several bindings of one parameter holds: the command line's before the files', whatever their scopes.

gin itself lets a binding with a stage's scope hide one without, so that --gin_param="train_stage.epochs = 1" would do
nothing where the file has teacher/train_stage.epochs.
"""

from collections.abc import Sequence

from spl_tf.bindings import tables
from spl_tf.bindings.tables import Binding


def put_over(given: Sequence[Binding]) -> list[str]:
    """Binds `given` over what is bound already.

    One without a scope holds for every stage: what was bound for single stages before goes, unless `given` itself
    has something for that stage.

    Returns:
      A line for each of `given` that removed others.
    """
    before = [old for old in tables.bound() if old.scope and not old.is_macro]
    for binding in given:
        tables.bind(binding)
    own = {(binding.scope, binding.key) for binding in given}
    lines = []
    for key, binding in {binding.key: binding for binding in given if not binding.scope}.items():
        removed = [old for old in before if old.key == key and (old.scope, key) not in own]
        for old in removed:
            tables.unbind(old)
        if removed:
            lines.append(f"{binding} holds for every stage, instead of {', '.join(map(str, removed))}")
    return lines


def hidden_in_files(in_files: Sequence[Binding], given: Sequence[Binding]) -> list[str]:
    """A line for each binding of a file that an earlier file's hides, as that one is for a single stage.

    Args:
      in_files: in the order they were read.
      given: on the command line, where the loss is made good.
    """
    last: dict[tuple[str, tuple[str, str]], int] = {}
    for place, binding in enumerate(in_files):
        last[binding.scope, binding.key] = place
    made_good = {(binding.scope, binding.key) for binding in given}
    lines = []
    for (scope, key), place in last.items():
        later = last.get(("", key), -1)
        hiding, hidden = in_files[place], in_files[later]
        if (
            scope
            and later > place
            and hiding.source != hidden.source
            and repr(hiding.value) != repr(hidden.value)
            and not made_good & {("", key), (scope, key)}
        ):
            assert hiding.source is not None  # Both were read from files.
            assert hidden.source is not None
            lines.append(
                f"{hidden} of {hidden.source.name} does not hold for stage {scope!r}, for which {hiding.source.name} "
                f"has {hiding}: bind {hiding.name} too"
            )
    return lines
