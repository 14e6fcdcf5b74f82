"""A variant of your own: ``module:NAME``, a recipe or a `Variant`, without an edit of this package."""

import ast
import hashlib
import inspect
import sys
from dataclasses import replace

from adaqn_lab import Recipe
from adaqn_lab.named import load
from studies.baselines.factory import OptimizerFactory
from studies.errors import InputError
from studies.variants.variant import Variant

CENTRE = 0.1
"""The middle of the grid of a recipe that says none; that of ADAQN."""
_HASHED_AS_A_WHOLE = ("adaqn_lab", "studies")
"""Packages whose code every study keeps a hash of."""


def is_own(name: str) -> bool:
    """Whether a name is of the form ``module:NAME``."""
    return ":" in name


def own_variant(name: str) -> Variant:
    """Return the variant that ``module:NAME`` names, under this name; `InputError` for what is none.

    The module lies in the current directory or is installed.
    """
    module, _, path = name.partition(":")
    if not module or not path:
        raise InputError(f"{name!r} names nothing of a module: write module:NAME.")
    try:
        found = load(module, path)
    except LookupError as error:
        raise InputError(str(error)) from error
    if isinstance(found, Recipe):
        return Variant(name=name, method=found, centre=CENTRE)
    if not isinstance(found, Variant):
        raise InputError(
            f"{name} is {_told(found)}, which is no variant: name a Recipe, such as ADAQN.but(...), or a "
            "studies.Variant, which also has the middle of its learning rates."
        )
    if not isinstance(found.method, Recipe | OptimizerFactory) or isinstance(found.method, type):
        raise InputError(f"{name} has {_told(found.method)} for its method: give a Recipe, or an object with build.")
    return replace(found, name=name)


def _told(found: object) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else f"of the type {type(found).__name__}"


def code_of(variant: Variant) -> str:
    """Return a hash of the code of your own on which a variant rests; empty where it rests on none.

    That is what its name and the classes of its parts stand for in their modules, with all that these name there.
    A module that is imported there counts by its name alone, comments do not count.
    """
    if not is_own(variant.name):
        return ""
    module, _, path = variant.name.partition(":")
    parts = variant.method.parts.values() if isinstance(variant.method, Recipe) else (variant.method,)
    roots = {(module, path), *((type(part).__module__, type(part).__qualname__) for part in parts)}
    own = sorted(root for root in roots if root[0].partition(".")[0] not in (*_HASHED_AS_A_WHOLE, "builtins"))
    told = "\n\n".join(_rests_on(where, name.partition(".")[0]) for where, name in own)
    return hashlib.sha256(told.encode()).hexdigest()[:12] if told else ""


def _rests_on(module: str, name: str) -> str:
    """Return the statements of a module that define a name, or what those name in turn."""
    try:
        statements = ast.parse(inspect.getsource(sys.modules[module])).body
    except (OSError, TypeError):
        return ""  # compiled, or typed into an interpreter
    chosen: set[ast.stmt] = set()
    names = {name}
    while more := {each for each in statements if each not in chosen and _defined(each) & names}:
        chosen |= more
        names |= {node.id for each in more for node in ast.walk(each) if isinstance(node, ast.Name)}
    return "\n".join(ast.unparse(each) for each in statements if each in chosen)


def _defined(statement: ast.stmt) -> set[str]:
    """Return the names that a statement of a module gives something to."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    stored = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    imported = {(n.asname or n.name).partition(".")[0] for n in ast.walk(statement) if isinstance(n, ast.alias)}
    inner = {n.name for n in ast.walk(statement) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return stored | imported | inner
