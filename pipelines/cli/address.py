"""``tidemark address``: the account's address for deposits, fetched and never stored."""

from typing import Annotated

import typer

from pipelines.output.console import say
from schemas import ConfigError

_SHOWN_FIRST, _SHOWN_LAST = 5, 4


def address(
    exchange: Annotated[str, typer.Argument(metavar="EXCHANGE", help="Where the account is: wex.")],
    currency: Annotated[str, typer.Argument(metavar="CURRENCY", help="BTC, LTC, …")],
    account: Annotated[
        str, typer.Option("--account", help="Whose key to use (WEX_<ACCOUNT>_API_KEY).")
    ] = "main",
    full: Annotated[
        bool, typer.Option("--full", help="Print the whole address instead of its ends.")
    ] = False,
) -> None:
    """Print the account's address for deposits of a currency, as the exchange has it now.

    No new address is made: the exchange refuses a currency for which you never made one there.
    Only the ends are shown unless --full is given, and nothing is stored.

    \b
    Examples:
      tidemark address wex BTC
      tidemark address wex BTC --full
    """
    from contextlib import closing

    from connectors.errors import AuthError, NotOfferedError
    from pipelines.exchanges.connect import open_exchange
    from pipelines.settings import load_settings

    settings = load_settings()
    with closing(open_exchange(settings, exchange, account)) as connector:
        settings.prepare_home()  # the nonces are stored there
        try:
            found = connector.address(currency.upper() if currency.islower() else currency)
        except NotOfferedError as error:
            raise ConfigError(str(error)) from None
        except AuthError as error:
            if settings.credentials(exchange, account) is not None:
                raise
            raise ConfigError(str(error)) from None
    say(found if full else masked(found))


def masked(address: str) -> str:
    """The ends of an address: enough to recognise one's own, too little to pay to."""
    if len(address) < 3 * (_SHOWN_FIRST + _SHOWN_LAST) // 2:
        return address[:2] + "…"
    return f"{address[:_SHOWN_FIRST]}…{address[-_SHOWN_LAST:]}"
