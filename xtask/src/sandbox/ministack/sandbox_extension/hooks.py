"""The one place that changes MiniStack: named functions are replaced, checked before the start.

A capability declares what it replaces with `@replaces(...)` and what else it calls with
`uses(...)`. Nothing is changed at import time. `install()` first checks the pinned version, that
every named function exists and that it takes the parameters the replacement expects, and only then
puts all replacements in place. A MiniStack that moved on is thus refused with a list of what is
missing, instead of an AttributeError in the middle of a task.
"""

import importlib
import importlib.metadata
import inspect

PINNED_VERSION = "1.5.33"

_replacements = []
_uses = []
_at_reset = []


class HookError(Exception):
    """MiniStack is not the one that this package was written for."""


def replaces(module, name):
    """Declare that the decorated function takes the place of `module.name`.

    After `install()`, the attribute `stock` of the decorated function is what it replaced. Several
    capabilities may wrap the same function: the one declared last is the outermost.
    """

    def declare(function):
        _replacements.append((module, name, function))
        return function

    return declare


def uses(module, *names):
    """Declare that a capability relies on these names of `module`."""
    _uses.extend((module, name) for name in names)


def at_reset(function):
    """Call `function` whenever MiniStack's state is wiped by `POST /_ministack/reset`."""
    _at_reset.append(function)
    return function


def install():
    """Check every declaration, then put the replacements in place."""
    problems = _version_problems() or _declaration_problems()
    if problems:
        raise HookError("\n".join(problems))
    for module_name, name, function in _replacements:
        module = importlib.import_module(module_name)
        function.stock = getattr(module, name)
        setattr(module, name, function)
        _replace_in_tables(module, function.stock, function)


def _version_problems():
    try:
        version = importlib.metadata.version("ministack")
    except importlib.metadata.PackageNotFoundError:
        return ["the package ministack is not installed; install it from requirements.txt"]
    if version != PINNED_VERSION:
        return [
            f"ministack is {version}, but this package is written for {PINNED_VERSION}; "
            "install it from requirements.txt"
        ]
    return []


def _declaration_problems():
    problems = []
    for module_name, name in _uses:
        if not hasattr(importlib.import_module(module_name), name):
            problems.append(f"{module_name} has no {name}")
    for module_name, name, function in _replacements:
        stock = getattr(importlib.import_module(module_name), name, None)
        if stock is None:
            problems.append(f"{module_name} has no {name}")
        elif _parameters(stock) != _parameters(function):
            problems.append(
                f"{module_name}.{name} takes {_parameters(stock)}, "
                f"but its replacement takes {_parameters(function)}"
            )
    return problems


def _parameters(function):
    """The parameters without their types, for example `(task, docker_client=None)`."""
    signature = inspect.signature(function)
    parameters = [
        each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()
    ]
    return str(inspect.Signature(parameters))


def _replace_in_tables(module, stock, function):
    """Dispatch tables hold functions, not names, so a replaced name alone would not be called."""
    for table in list(vars(module).values()):
        if isinstance(table, dict):
            for key, value in list(table.items()):
                if value is stock:
                    table[key] = function


@replaces("ministack.app", "_reset_all_state")
def reset_all_state():
    reset_all_state.stock()
    for function in _at_reset:
        function()
