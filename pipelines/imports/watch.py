"""Folders that are watched for bulk files: what the component ``Imports`` declares."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from pipelines.feeds import FILE_NAME, BrokenFeed, feeds_root
from pipelines.feeds.document import Fields, Value, of_plain, read
from pipelines.feeds.template import render
from pipelines.imports.plan import Wish, check
from pipelines.settings import load_settings
from schemas import ConfigError

COMPONENT_TYPE: Final = "pipelines.components.Imports"
KEYS: Final = ("folder", "exchange", "market", "dataset", "format", "columns", "timeframe")


@dataclass(frozen=True)
class Watch:
    """One watched folder. ``name``: of the folder that declares it; ``path``: its ``defs.yaml``."""

    name: str
    path: Path
    folder: Path
    wish: Wish


def watches(root: Path | None = None) -> tuple[list[Watch], list[BrokenFeed]]:
    """Every watched folder that the feeds' folder declares, and every file with a mistake."""
    found: list[Watch] = []
    broken: list[BrokenFeed] = []
    for path in sorted((feeds_root() if root is None else root).rglob(FILE_NAME)):
        try:
            watch = _load(path)
        except ConfigError as error:
            broken.append(BrokenFeed(path.parent.name, path, error))
        else:
            found += [watch] if watch else []
    return found, broken


def _load(path: Path) -> Watch | None:
    try:
        documents = read(path)
        file = documents[0].mapping("the file") if documents else None
    except ConfigError:  # reported as a feed's
        return None
    kind = file.get("type") if file else None
    if file is None or kind is None or kind.scalar != COMPONENT_TYPE:
        return None
    attributes = file.required("attributes", "{folder: …}")
    variables = load_settings().variables
    return _watch(path, attributes.rendered(partial(render, variables=variables)))


def watch_of(
    path: Path, attributes: Mapping[str, Any], line: Callable[[Sequence[str | int]], int]
) -> Watch:
    """The watch of these attributes, as a YAML reader gave them. Raises ``ConfigError``."""
    return _watch(path, of_plain(path, attributes, line))


def _watch(path: Path, attributes: Value) -> Watch:
    fields = attributes.mapping("attributes", KEYS)
    folder = Path(fields.required("folder", "~/dumps/binance").text("folder")).expanduser()
    columns = fields.get("columns")
    wish = Wish(
        fields.required("exchange", "binance").text("exchange"),
        fields.required("market", "BTC-USDT").text("market"),
        _text(fields, "dataset"),
        _text(fields, "format"),
        () if columns is None else _columns(columns),
        _text(fields, "timeframe"),
        of_market_only=True,
    )
    try:
        check(wish)
    except ConfigError as error:
        attributes.fail(str(error))
    return Watch(path.parent.name, path, folder, wish)


def _text(fields: Fields, name: str) -> str | None:
    value = fields.get(name)
    return None if value is None else value.text(name)


def _columns(value: Value) -> tuple[str, ...]:
    fields = value.mapping("columns")
    return tuple(f"{n}={fields.required(n, 'price').text(n)}" for n in fields)
