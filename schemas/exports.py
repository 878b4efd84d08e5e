"""What a package exports, imported when it is first used."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def exported(package: str, modules: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """The ``__getattr__`` of ``package``. ``modules``: what it exports, by module.

    A command that uses one name then loads one module, not all of them.
    """
    owner = {name: module for module, names in modules.items() for name in names}

    def get(name: str) -> object:
        if name not in owner:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(import_module(f"{package}.{owner[name]}"), name)
        setattr(sys.modules[package], name, found)
        return found

    return get
