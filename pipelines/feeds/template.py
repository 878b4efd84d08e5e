"""Templates in feeds: ``{{ env.NAME }}`` and ``{{ env('NAME', 'default') }}``.

The language is Jinja, as Dagster has it in components; the settings are those of every command: the
environment and ``.env``. Keys of accounts cannot be read: feeds are shown in pages and messages.
"""

from collections.abc import Mapping
from typing import Any, Final

from pipelines.feeds.document import Value
from pipelines.settings import SECRET_SUFFIXES
from schemas import ConfigError

_SYNTAX: Final = ("{{", "{%")


class Environment:
    """``env`` of a template. Raises ``ConfigError`` for what is not set, or is a secret."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def __call__(self, name: str, default: Any = None) -> Any:
        """The variable ``name``, or ``default`` where one is given."""
        if name.endswith(SECRET_SUFFIXES):
            raise ConfigError(f"{name} is a secret and cannot be used in a feed")
        found = self._variables.get(name, default)
        if found is None:
            raise ConfigError(
                f"{name} is not set. Fix: set it (environment or .env), or give a default: "
                f"{{{{ env('{name}', 'BTC-USD') }}}}"
            )
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "jinja")):  # Jinja and copy look for methods of their own
            raise AttributeError(name)
        return self(name)


def render(value: Value, variables: Mapping[str, str]) -> Any:
    """What the template ``value`` gives: text, or a list where it makes one (``.split(',')``).

    Text without ``{{`` is given back. Raises ``ConfigError`` with file and line.
    """
    text = value.text("a template")
    if not any(sign in text for sign in _SYNTAX):
        return text
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.nativetypes import NativeEnvironment

    try:
        template = NativeEnvironment(undefined=StrictUndefined).from_string(text)
        found = template.render(env=Environment(variables))
        return str(found) if isinstance(found, StrictUndefined) else found
    except ConfigError as error:
        value.fail(str(error))
    except TemplateError as error:
        value.fail(f"template {text!r}: {error.message}. Fix: {{{{ env.NAME }}}}")
    except Exception as error:  # whatever the expression does: divide, call, index
        value.fail(f"template {text!r}: {error}. Fix: {{{{ env.NAME }}}}")
