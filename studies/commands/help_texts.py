"""What the help says of each option: its docstring, as one paragraph that fits any width, and a default that tells."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import MISSING, Field, field, fields, make_dataclass
from functools import cache
from typing import Annotated, Any, get_type_hints

import tyro


@cache
def documented(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the dataclass of a command with its docstrings as help texts; what it makes are the command's objects.

    By itself tyro keeps the line ends of a docstring where they are in the source, whatever the terminal's width, and
    ends every text with ``(default: None)``.
    """
    assert isinstance(command, type)
    texts = {name: text for kind in reversed(command.__mro__) for name, text in _texts(kind).items()}
    hints = get_type_hints(command, include_extras=True)
    made = [(each.name, _told(hints[each.name], each, texts[each.name]), _default(each)) for each in fields(command)]
    return make_dataclass(
        command.__name__, made, bases=(command,), namespace={"__doc__": command.__doc__}, frozen=True, kw_only=True
    )


def _told(hint: Any, each: Field[Any], text: str) -> Any:
    if each.default in (None, (), False):
        return Annotated[hint, tyro.conf.arg(help=text, help_behavior_hint="")]
    return Annotated[hint, tyro.conf.arg(help=text)]


def _default(each: Field[Any]) -> Any:
    return field() if each.default is MISSING else field(default=each.default)


def _texts(kind: type) -> dict[str, str]:
    """The docstrings below the fields of a class."""
    if "__dataclass_fields__" not in vars(kind):
        return {}
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    return {
        name.target.id: " ".join(str(text.value.value).split())
        for name, text in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(name, ast.AnnAssign)
        and isinstance(name.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }
