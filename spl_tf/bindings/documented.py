"""Every setting of every configurable, with its default and the line of its docstring.

Read from the source files: importing them takes TensorFlow's seconds.
"""

import ast
import dataclasses
import functools
import importlib.util
import inspect
import pathlib
import re
from collections.abc import Iterator

_PACKAGE = pathlib.Path(__file__).parents[1]
_REQUIRED = "REQUIRED"
_KERAS = "keras.optimizers"
# `cleaning.labellers` registers those of its table.
_LABELLERS = "spl_tf.labels.labellers"
_Definition = ast.FunctionDef | ast.ClassDef
# What is looked up first comes first; modules that nothing here names follow, by name.
_ORDER = (
    "training.stage",
    "experiment.recipe",
    "experiment",
    "data",
    "demo",
    "models",
    "losses",
    "training.objectives",
    "training",
)
_SHARED_ARGUMENTS = "{{base_optimizer_keyword_args}}"  # In Keras' docstrings until they are imported.


@dataclasses.dataclass(frozen=True)
class Setting:
    """A parameter that a gin file may bind.

    Attributes:
      configurable: "train_stage".
      parameter: "epochs".
      default: as a gin file would have it, "16", "'auto'", "@resnet3d"; REQUIRED for none.
      text: what the docstring says of it, on one line.
    """

    configurable: str
    parameter: str
    default: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.configurable}.{self.parameter}"


@dataclasses.dataclass(frozen=True)
class Documented:
    """A configurable.

    Attributes:
      name: "train_stage".
      module: "spl_tf.training.stage".
      headline: first line of its docstring.
      settings: in the order of its parameters.
    """

    name: str
    module: str
    headline: str
    settings: tuple[Setting, ...]


def document_package() -> list[Documented]:
    """What spl_tf itself registers, module by module, with the labelling strategies that have options."""
    found = []
    for path in sorted(_PACKAGE.rglob("*.py")):
        if "@gin.configurable" in path.read_text(encoding="utf-8"):
            module = ".".join(path.relative_to(_PACKAGE.parent).with_suffix("").parts)
            definitions = (node for node in _tree(module).body if isinstance(node, _Definition))
            found += [_documented(node, module) for node in definitions if _decorator(node) is not None]
    found += [labeller for labeller in map(_labeller, _labellers()) if labeller.settings]
    return sorted(found, key=lambda configurable: _place(configurable.module))  # Of one module as they are written.


def _place(module: str) -> int:
    """Of a module on the page: the first of _ORDER that is it or a package above it, else behind them all."""
    return next((place for place, name in enumerate(_ORDER) if f"{module}.".startswith(f"spl_tf.{name}.")), len(_ORDER))


def document_optimizers() -> list[Documented]:
    """Keras' optimizers that a gin file may name, with the first two sentences of what Keras says of each parameter."""
    source = (_PACKAGE / "configurables.py").read_text(encoding="utf-8")
    keras = importlib.util.find_spec("keras")
    assert keras is not None  # spl_tf requires it.
    assert keras.submodule_search_locations
    folder = pathlib.Path(keras.submodule_search_locations[0]) / "src" / "optimizers"
    base = ast.parse((folder / "base_optimizer.py").read_text(encoding="utf-8"))
    shared = ast.literal_eval(_value_in(base.body, "base_optimizer_keyword_args"))
    found = []
    for name in re.findall(rf"{_KERAS}\.(\w+)[,)]", source):
        tree = ast.parse((folder / f"{name.lower()}.py").read_text(encoding="utf-8"))
        (node,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
        manual = inspect.cleandoc((ast.get_docstring(node, clean=False) or "").replace(_SHARED_ARGUMENTS, shared))
        texts = {key: " ".join(re.split(r"(?<=\.) ", text)[:2]) for key, text in argument_texts(manual).items()}
        settings = tuple(
            Setting(name, parameter, ast.unparse(default) if default else _REQUIRED, texts.get(parameter, ""))
            for parameter, default in _parameters(node)
            if parameter != "learning_rate"  # train_stage gives it.
        )
        found.append(Documented(name, _KERAS, manual.splitlines()[0], settings))
    return found


def argument_texts(docstring: str) -> dict[str, str]:
    """The section `Args:` of a docstring; "a, b: text" holds for both."""
    lines = docstring.split("\nArgs:\n")[-1].splitlines() if "\nArgs:\n" in docstring else []
    texts: dict[str, str] = {}
    names: list[str] = []
    indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    for line in lines:
        own_indent = len(line) - len(line.lstrip())
        if line.strip() and own_indent < indent:
            break
        if own_indent == indent and (entry := re.match(r"\s*\*{0,2}(\w+(?:, \w+)*): ?(.*)", line)):
            names = entry[1].split(", ")
            texts |= dict.fromkeys(names, entry[2])
        elif line.strip():
            texts |= {name: f"{texts[name]} {line.strip()}".strip() for name in names}
    return texts


def _documented(node: _Definition, module: str) -> Documented:
    options = {key.arg: ast.literal_eval(key.value) for key in getattr(_decorator(node), "keywords", ())}
    function = _function(node)
    texts = argument_texts(ast.get_docstring(function) or "")
    settings = tuple(
        Setting(node.name, name, _shown(default, module), texts.get(name, ""))
        for name, default in _parameters(node)
        if name not in options.get("denylist", ()) and name in options.get("allowlist", (name,))
    )
    return Documented(node.name, module, (ast.get_docstring(node) or "").split("\n")[0], settings)


def _labellers() -> list[str]:
    (table,) = (
        statement.value
        for statement in _tree(_LABELLERS).body
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == "PAIR_LABELLERS"
    )
    assert table is not None
    entries = (node for node in ast.walk(table) if isinstance(node, ast.Call) and node.args)
    return [ast.unparse(entry.args[0]) for entry in entries if ast.unparse(entry.func) == "PairLabeller"]


def _labeller(name: str) -> Documented:
    module, node = _look_up_name(name, _LABELLERS)
    assert isinstance(node, ast.FunctionDef)
    return _documented(node, module)


def _decorator(node: _Definition) -> ast.expr | None:
    """`gin.configurable` of a function or class, or its call."""
    for decorator in node.decorator_list:
        if ast.unparse(decorator).split("(")[0] == "gin.configurable":
            return decorator
    return None


def _function(node: _Definition) -> ast.FunctionDef:
    if isinstance(node, ast.FunctionDef):
        return node
    return next(part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__")


def _parameters(node: _Definition) -> Iterator[tuple[str, ast.expr | None]]:
    """Those of `tables.settings`, with their defaults: positional ones without are the program's."""
    arguments = _function(node).args
    if arguments.defaults:
        positional = arguments.args[-len(arguments.defaults) :]
        yield from ((argument.arg, value) for argument, value in zip(positional, arguments.defaults, strict=True))
    yield from (
        (argument.arg, value) for argument, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    )


def _shown(node: ast.expr | None, module: str) -> str:
    """A default as it would be written in a gin file."""
    if node is None or ast.unparse(node) == f"gin.{_REQUIRED}":
        return _REQUIRED
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == _KERAS:
        return f"@{node.attr}"
    if isinstance(node, ast.Name | ast.Attribute):
        module, found = _look_up(node, module)
        return f"@{found.name}" if isinstance(found, _Definition) else _shown(found, module)
    if isinstance(node, ast.BinOp):  # Of numbers, such as 1 << 30.
        return repr(eval(compile(ast.Expression(node), module, "eval"), {"__builtins__": {}}))
    return ast.unparse(node)


def _look_up(node: ast.expr, module: str) -> tuple[str, _Definition | ast.expr]:
    """What `name` or `Class.name` stands for, and where, see `_look_up_name`."""
    if isinstance(node, ast.Name):
        return _look_up_name(node.id, module)
    if isinstance(node, ast.Attribute):
        module, owner = _look_up(node.value, module)
        if isinstance(owner, ast.ClassDef):
            return module, _value_in(owner.body, node.attr)
    raise LookupError(f"{ast.unparse(node)} in {module} is no constant of a module or a class")


def _look_up_name(name: str, module: str) -> tuple[str, _Definition | ast.expr]:
    """What a name stands for, and the module it is written in: a definition, or the value of a constant."""
    for statement in _tree(module).body:
        if isinstance(statement, ast.ImportFrom) and statement.module:
            for alias in statement.names:
                if (alias.asname or alias.name) == name:
                    return _look_up_name(alias.name, statement.module)
        elif isinstance(statement, _Definition) and statement.name == name:
            return module, statement
    return module, _value_in(_tree(module).body, name)


def _value_in(statements: list[ast.stmt], name: str) -> ast.expr:
    for statement in statements:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        if statement.value is not None and any(isinstance(node, ast.Name) and node.id == name for node in targets):
            return statement.value
    raise LookupError(f"{name} is assigned nowhere")


@functools.cache
def _tree(module: str) -> ast.Module:
    path = _PACKAGE.parent.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))
