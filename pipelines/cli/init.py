"""``tidemark init``: write the first feed, or another one, by three questions or by options."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from pipelines.output.console import say
from pipelines.output.formatting import with_fix
from schemas import ConfigError

_DOTENV: Final = Path(".env")
_START: Final = "2016-01-01"
_EXAMPLE: Final = f"tidemark init --exchange bitexbit --markets BTC-USD,ETH-USD --start {_START}"


def init(
    exchange: Annotated[
        str | None, typer.Option(help="Where to collect from: bitexbit, wex, …", show_default=False)
    ] = None,
    markets: Annotated[
        str | None,
        typer.Option(help="BTC-USD,ETH-USD, or all; commas between.", show_default=False),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="History is wanted back to here (UTC).", show_default=False
        ),
    ] = None,
    account: Annotated[str, typer.Option(help="The label of the account's rows.")] = "main",
    name: Annotated[
        str | None,
        typer.Option(help="The name of the feed; else the exchange's.", show_default=False),
    ] = None,
) -> None:
    """Write a feed: a commented file that says what to collect from an exchange.

    Asks for what no option says: exchange, markets, how far back. The file holds every dataset that
    the exchange offers; delete lines at will. It is written to the folder that TIDEMARK_FEEDS
    names. In a clone of the repository without that setting it is ./feeds, and .env gets
    TIDEMARK_FEEDS=feeds: so git never touches your feeds. Nothing is asked of the exchange.

    \b
    Examples:
      tidemark init
      tidemark init --exchange bitexbit --markets BTC-USD,ETH-USD --start 2016-01-01
      tidemark init --exchange wex --markets all --start 2017-09-01 --account desk --name desk
    """
    import connectors
    from pipelines.feeds import FEEDS_ROOT, FILE_NAME, feeds_root, load_feeds, new_feed
    from pipelines.feeds.folder import OWN_FEEDS
    from pipelines.output.files import whole_file

    known = connectors.names()
    exchange = _answer(exchange, f"Exchange ({', '.join(known)})", "bitexbit", known)
    markets = _answer(markets, "Markets (BTC-USD,ETH-USD or all)", "BTC-USD")
    start = _answer(start, "History back to (UTC)", _START)
    root = feeds_root()
    is_new_root = root == FEEDS_ROOT
    if is_new_root:
        root = OWN_FEEDS
    if name is None:
        name = (exchange if account == "main" else f"{exchange}-{account}").replace(":", "_")
    elif not re.fullmatch(r"\w[\w.-]*", name):
        problem = f"a feed's name is letters, digits, '.', '-' and '_', not {name!r}"
        raise ConfigError(with_fix(problem, "tidemark init --name my-feed"))
    path = root / name / FILE_NAME
    if path.exists():
        fix = "edit it, or write another one: tidemark init --name NAME"
        raise ConfigError(with_fix(f"{path} is there already", fix))
    others = load_feeds(root) if root.is_dir() else []
    wanted = None if markets == "all" else [m for m in markets.split(",") if m.strip()]
    text = new_feed(path, exchange, others, wanted, start, account)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, "w", encoding="utf-8") as file:
        file.write(text)
    say(f"wrote {path}")
    if is_new_root:
        _set_in_dotenv("TIDEMARK_FEEDS", str(root))
        say(
            f"set TIDEMARK_FEEDS={root} in .env: from here on this folder is read, "
            "not the feeds that come with Tidemark"
        )
    key = connectors.key_settings(exchange, account)
    say(f"next: tidemark pull {path.parent.name}")
    say(f"next: {key} in .env for the data of your account (a key that only reads)")


def _answer(given: str | None, question: str, default: str, known: Sequence[str] = ()) -> str:
    """The option ``given``, else the answer of the user; ``known``: which there are."""
    if given is not None:
        return given.strip()
    if not sys.stdin.isatty():
        raise ConfigError(with_fix("nobody is there to answer questions", _EXAMPLE))
    while True:
        found = str(typer.prompt(question, default=default)).strip()
        if not known or found in known or found.startswith("ccxt:"):  # checked with the feed
            return found
        say(f"there is no {found!r}; there are: {', '.join(known)}")


def _set_in_dotenv(name: str, value: str) -> None:
    """Append ``name=value`` to ``.env``, which is private where it is new."""
    before = _DOTENV.read_text(encoding="utf-8") if _DOTENV.exists() else ""
    if not _DOTENV.exists():
        _DOTENV.touch(mode=0o600)
    with _DOTENV.open("a", encoding="utf-8") as file:
        file.write(f"{'' if before.endswith(chr(10)) or not before else chr(10)}{name}={value}\n")
