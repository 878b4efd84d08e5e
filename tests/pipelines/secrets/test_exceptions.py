"""No secret in an exception, or in any that led to it."""

import traceback
from dataclasses import replace

import pytest

import connectors
from connectors import Connection, Cursor, ExchangeError, StreamId, Window
from connectors.local import LocalNonces, NoLimits
from sandbox import KEYS
from tests.pipelines.secrets.scene import EXCHANGES, FAILURES, WRONG, Scene


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_exceptions_and_all_that_led_to_them(exchange: str, scene: Scene) -> None:
    key = KEYS[exchange]
    credentials = connectors.Credentials(key.key, key.secret)
    connection = Connection(
        scene.server.base_url, LocalNonces(), NoLimits(), credentials=credentials, retries=1
    )
    scene.note(f"{connection!r} {connection} {credentials!r} {credentials}")
    raised = 0
    wrong = replace(credentials, secret=WRONG)
    for failing, changed in (
        [(fault, connection) for fault in FAILURES[exchange].values()]
        + [(None, replace(connection, credentials=wrong))]
        + [(None, replace(connection, base_url="http://127.0.0.1:1"))]
    ):
        scene.server.faults.clear()
        if failing is not None:
            scene.server.faults.add(replace(failing, times=None))
        connector = connectors.open_connector(exchange, changed)
        for dataset in ("account_trades", "account_transactions"):
            stream = StreamId(exchange, dataset, account="main")
            try:
                if connector.offers[dataset].cursor is Cursor.PAGES:
                    connector.page(stream, None)
                else:
                    connector.fetch(stream, Window())
            except ExchangeError as error:
                raised += 1
                scene.note(logged(error))
        scene.note(repr(connector))
        connector.close()
    assert raised > len(FAILURES[exchange])
    scene.server.exchange.nonces._highest.clear()
    scene.assert_clean()


def logged(error: BaseException) -> str:
    """All that an exception and those behind it say, as any log would show it."""
    text = "".join(traceback.format_exception(error))
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        one = chain.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        text += f"\n{one} {one!r} {one.args!r} {vars(one)!r} {getattr(one, '__notes__', '')}"
        for value in vars(one).values():
            text += f" {vars(value)!r}" if hasattr(value, "__dict__") else ""
        chain += [one.__cause__, one.__context__]
    return text
