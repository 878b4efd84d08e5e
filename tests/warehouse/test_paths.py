"""Names in the lake: every stream has its own, and each name leads back to its stream."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas import DATASETS, TIMEFRAMES, RejectedRow, StreamId, dataset
from tests.examples import examples
from tests.warehouse.tools import (
    CANDLES,
    FILLS,
    HOURLY,
    NOON,
    STREAMS,
    TRADES,
    assert_each_once,
    assert_published,
    assert_recorded,
    ids,
    lake,
    row,
    store,
)
from warehouse import paths, raw
from warehouse.metastore_tables import key
from warehouse.paths import QUARANTINE, parse, quarantine_of
from warehouse.raw import RawResponse, RawWriter
from warehouse.store import Store

_texts = st.text("AB:.%_@-/~ é=", min_size=1, max_size=4) | st.sampled_from(
    ["BTC_USD", "BTC_USD:5m", "BTC_USD%3A5m", "BTC_USD%3a5m", "main@BTC", "all", "..", "x.001"]
)


@st.composite
def _streams(draw: st.DrawFn) -> StreamId:
    declared = DATASETS[draw(st.sampled_from(sorted(DATASETS.keys() - {QUARANTINE})))]
    account = draw(_texts) if declared.is_account else None
    symbol = draw(_texts) if "symbol" in declared.partition else None
    if declared.is_account:
        symbol = draw(st.none() | _texts)
    frame = draw(st.sampled_from(sorted(TIMEFRAMES))) if declared.stream_columns else None
    stream = StreamId(draw(_texts), declared.name, symbol, account, frame)
    return quarantine_of(stream) if draw(st.booleans()) else stream


def _source(stream: StreamId) -> StreamId:
    """The stream with whose lock ``stream`` is written."""
    if stream.source:
        stream = replace(stream, dataset=stream.source, source=None)
    return replace(stream, dataset=stream.dataset.removesuffix("_history"))


def _file(stream: StreamId) -> str:
    period = paths.period_of(dataset(stream.dataset), NOON)
    return paths.lake_path(stream, period, 0)


@settings(max_examples=examples(400))
@given(_streams(), _streams())
@example(StreamId("/.", "currencies"), StreamId("/", "currencies"))
def test_no_two_streams_share_a_file_a_lock_or_a_key(one: StreamId, other: StreamId) -> None:
    if one == other:
        return
    assert _file(one) != _file(other)
    assert paths.folder_mark(one) != paths.folder_mark(other)
    assert key(one) != key(other)
    assert str(raw.folder(Path("h"), one)) != str(raw.folder(Path("h"), other))
    shares = paths.lock_name(one) == paths.lock_name(other)
    assert shares == (_source(one) == _source(other))


@settings(max_examples=examples(200))
@given(_streams(), st.sampled_from([0, 1, 999, 1000]))
def test_a_path_leads_back_to_its_stream(stream: StreamId, segment: int) -> None:
    period = paths.period_of(dataset(stream.dataset), NOON)
    path = paths.lake_path(stream, period, segment)
    found = parse(path)
    assert found is not None
    assert (found.stream, found.period, found.temporary) == (stream, period, False)
    found = parse(paths.temporary_path(path))
    assert found is not None
    assert (found.stream, found.period, found.temporary) == (stream, period, True)
    name = paths.stream_name(stream)
    assert "/" not in name
    assert paths.parse_stream_name(stream.exchange, stream.dataset, name) == stream


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        (TRADES, "trades/exchange=x/symbol=BTC-USD/2024-08-08.parquet"),
        (CANDLES, "candles/exchange=x/symbol=BTC-USD/5m-2024-08.parquet"),
        (FILLS, "account_trades/exchange=x/account=main/2024.parquet"),
        (
            replace(FILLS, symbol="A-B"),
            "account_trades/exchange=x/account=main/A-B@2024.parquet",
        ),
        (StreamId("x", "markets"), "markets/exchange=x/all.parquet"),
        (quarantine_of(TRADES), "quarantine/exchange=x/trades.BTC-USD.parquet"),
        (quarantine_of(CANDLES), "quarantine/exchange=x/candles.BTC-USD%3A5m.parquet"),
        (quarantine_of(StreamId("x", "markets")), "quarantine/exchange=x/markets.all.parquet"),
    ],
)
def test_the_paths_of_the_contract(stream: StreamId, path: str) -> None:
    assert _file(stream) == f"lake/{path}"


@pytest.mark.parametrize(
    "path",
    [
        "lake/trades/exchange=x/symbol=BTC-USD/notes.parquet",
        "lake/trades/exchange=x/symbol=BTC-USD/2024-8-8.parquet",
        "lake/trades/exchange=x/2024-08-08.parquet",
        "lake/trades/symbol=BTC-USD/exchange=x/2024-08-08.parquet",
        "lake/candles/exchange=x/symbol=BTC-USD/2024-08.parquet",
        "lake/candles/exchange=x/symbol=BTC-USD/7m-2024-08.parquet",
        "lake/markets/exchange=x/some.parquet",
        "lake/quarantine/exchange=x/BTC-USD.parquet",
        "lake/unknown/exchange=x/2024.parquet",
        "lake/notes.txt",
    ],
)
def test_other_files_are_of_no_stream(path: str) -> None:
    assert parse(path) is None


@pytest.mark.parametrize(
    "stream",
    [
        StreamId("x", "trades"),
        StreamId("x", "trades", "A", "main"),
        StreamId("x", "trades", "A", timeframe="5m"),
        StreamId("x", "candles", "A"),
        StreamId("x", "balances"),
        StreamId("x", "markets", "A"),
        StreamId("x", QUARANTINE, "A"),
        StreamId("x", "trades", "A", source="trades"),
        StreamId("x", "unknown", "A"),
    ],
)
def test_a_stream_without_its_fields_has_no_name(stream: StreamId) -> None:
    with pytest.raises(ValueError, match="x/"):
        paths.stream_name(stream)


ZEROS = quarantine_of(StreamId("x", "account_trades", account="007"))


@pytest.mark.parametrize("segment", [0, 1, 1234])
def test_an_account_that_is_named_like_a_segment_is_found_again(segment: int) -> None:
    found = parse(paths.lake_path(ZEROS, "all", segment))
    assert found is not None and (found.stream, found.period) == (ZEROS, "all")


def test_a_field_is_never_empty() -> None:
    with pytest.raises(ValueError, match="never empty"):
        StreamId("x", "trades", "")


def test_a_market_that_is_named_like_a_timeframe_shares_nothing(home: Path) -> None:
    odd = replace(CANDLES, symbol="BTC-USD:5m", timeframe="1h")
    plain = replace(TRADES, symbol="BTC-USD:5m")
    bad = [RejectedRow("no price", "{}")]
    streams = (CANDLES, HOURLY, odd, TRADES, plain)
    for number, stream in enumerate(streams, 1):
        one = row(stream, number * 3_600_000_000)
        done = store(home, stream, [one], state=ids((number, number + 1)), rejected=bad)
        assert (done.added, done.quarantined) == (1, 1)
    reader = Store(home)
    for number, stream in enumerate(streams, 1):
        assert reader.state(stream) == ids((number, number + 1))
        assert reader.reader(stream).tail(9).num_rows == 1
        assert reader.reader(quarantine_of(stream)).tail(9).num_rows == 1
    assert len(lake(home, "quarantine")) == 5
    assert_each_once(home)
    assert_recorded(home)
    assert_published(home)


def test_answers_of_odd_names_are_found_again(home: Path) -> None:
    writer = RawWriter(home)
    odd = replace(CANDLES, symbol="BTC-USD:5m")
    for stream in (odd, CANDLES, StreamId("x", "markets"), *STREAMS[-2:]):
        writer.append(stream, RawResponse(NOON, {}, b"{}"))
    found = [*raw.streams(home)]
    assert {*found} == {odd, CANDLES, StreamId("x", "markets"), *STREAMS[-2:]}
    assert all(len(raw.days(home, stream)) == 1 for stream in found)
