"""engine: how claims of known truth are drawn: a module an idea. Each registers its recipes when it is imported."""

from importlib import import_module
from pkgutil import iter_modules

for _file in iter_modules(__path__):
    import_module(f"{__name__}.{_file.name}")
