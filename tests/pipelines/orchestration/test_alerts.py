"""Alerts reach a real webhook and a real mail server; nothing is sent twice, nothing is missed."""

import base64
import shutil
import traceback
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from pipelines.orchestration import alerts
from pipelines.orchestration.alerts import alert_sensors
from pipelines.orchestration.delivery import DeliveryError, email, webhook
from pipelines.settings import load_settings
from schemas import ConfigError, TidemarkError
from tests.pipelines.orchestration.receiving import (
    Received,
    certificate_for,
    mail_server,
    webhook_server,
)

SECRET = "T000-B000-secret"
KEY = dg.AssetKey(["wex", "trades"])
CHECK = dg.AssetCheckKey(KEY, "no_gaps")

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")


@pytest.fixture
def hook() -> Iterator[Received]:
    with webhook_server() as received:
        yield received


@pytest.fixture
def mailbox() -> Iterator[Received]:
    with mail_server() as received:
        yield received


@dg.asset(key=KEY, check_specs=[dg.AssetCheckSpec("no_gaps", asset=KEY)])
def trades(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])
    if "fails" in context.run.tags:
        raise dg.Failure(context.run.tags["fails"], allow_retries=False)


DEFINITIONS = dg.Definitions(assets=[trades], jobs=[dg.define_asset_job("pull", "*")])


class Watch:
    """A sensor that keeps its cursor, as the daemon does."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor: str | None = None

    def tick(self) -> None:
        (sensor,) = alert_sensors()
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
        with dg.build_sensor_context(
            self.instance, cursor=self.cursor, definitions=DEFINITIONS
        ) as context:
            self.cursor = sensor.evaluate_tick(context).cursor


def fail(instance: dg.DagsterInstance, why: str) -> str:
    job = DEFINITIONS.resolve_job_def("pull")
    result = job.execute_in_process(instance=instance, raise_on_error=False, tags={"fails": why})
    return result.run_id


def evaluate(instance: dg.DagsterInstance, passed: bool, text: str) -> None:
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(KEY, CHECK.name, passed, description=text)
    )


def become(instance: dg.DagsterInstance, state: FreshnessState) -> None:
    """As the freshness daemon records it."""
    change = FreshnessStateChange(
        key=KEY,
        new_state=state,
        previous_state=FreshnessState.UNKNOWN,
        state_change_timestamp=1.0,
    )
    instance._report_runless_asset_event(change)


def test_silent_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TIDEMARK_ALERT_WEBHOOK", "TIDEMARK_ALERT_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    assert alert_sensors() == []


def test_what_fails_is_reported_once(
    hook: Received, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_ALERT_WEBHOOK", f"http://127.0.0.1:{hook.port}/{SECRET}")
    monkeypatch.setenv("TIDEMARK_UI_URL", "http://127.0.0.1:3000/")
    watch = Watch(instance)
    fail(instance, "before alerts were on")
    watch.tick()
    assert "alerts are on" in hook.bodies.pop()["text"]
    watch.tick()
    assert hook.bodies == []
    run = fail(instance, "wex says no <!channel> & 17")
    evaluate(instance, False, "1 gap")
    become(instance, FreshnessState.FAIL)
    watch.tick()
    (body,) = hook.bodies
    assert set(body) == {"text"}
    lines = body["text"]
    assert "1 run failed, 1 check fails, 1 asset overdue" in lines
    assert "of pull failed: wex__trades: wex says no &lt;!channel&gt; &amp; 17" in lines
    assert f"http://127.0.0.1:3000/runs/{run}" in lines
    assert "Check fails: wex/trades:no_gaps: 1 gap" in lines
    assert "Overdue: wex/trades" in lines
    fail(instance, "wex says no <!channel> & 18")  # the same, but for a number
    evaluate(instance, False, "2 gaps")
    watch.tick()
    assert len(hook.bodies) == 1
    fail(instance, "the disk is full")
    evaluate(instance, True, "none")
    become(instance, FreshnessState.PASS)
    watch.tick()
    lines = hook.bodies.pop()["text"]
    assert "the disk is full" in lines
    assert "Well again: wex/trades:no_gaps, wex/trades" in lines
    assert hook.paths[-1] == f"/{SECRET}"


def test_a_repeated_failure_is_reported_again_after_a_while(
    hook: Received, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_ALERT_WEBHOOK", f"http://127.0.0.1:{hook.port}/{SECRET}")
    watch = Watch(instance)
    watch.tick()
    for _ in range(3):
        fail(instance, "no")
        watch.tick()
    assert len(hook.bodies) == 2
    monkeypatch.setattr(alerts, "REPEATED_AFTER", alerts.REPEATED_AFTER * 0)
    fail(instance, "no")
    watch.tick()
    assert (
        "failed (2 more runs failed for the same reason): wex__trades: no"
        in (hook.bodies[-1]["text"])
    )


@pytest.mark.parametrize("status", [404, 302, 500])
def test_nothing_is_missed_while_the_server_refuses(
    status: int, hook: Received, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_ALERT_WEBHOOK", f"http://127.0.0.1:{hook.port}/{SECRET}")
    watch = Watch(instance)
    watch.tick()
    fail(instance, "the disk is full")
    hook.status = status
    with pytest.raises(Exception) as caught:
        watch.tick()
    text = "".join(traceback.format_exception(caught.value))
    assert f"the webhook at 127.0.0.1 answers with status {status}" in text
    assert SECRET not in text
    hook.status = 200
    watch.tick()
    assert "the disk is full" in hook.bodies[-1]["text"]
    assert set(hook.paths) == {f"/{SECRET}"}


def test_a_mail_arrives(
    mailbox: Received, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_ALERT_EMAIL", "ann@example.com, bob@example.com")
    url = f"smtp://tide%40example.com:{SECRET}@127.0.0.1:{mailbox.port}"
    monkeypatch.setenv("TIDEMARK_ALERT_SMTP", url)
    watch = Watch(instance)
    watch.tick()
    fail(instance, "größer als erlaubt")
    watch.tick()
    first, second = mailbox.mails
    assert "alerts are on" in first["Subject"] and first["From"] == "tide@example.com"
    assert second["To"] == "ann@example.com, bob@example.com"
    assert second["Subject"].endswith("1 run failed")
    assert "größer als erlaubt" in second.get_content()
    login = base64.b64decode(mailbox.logins[0])
    assert login == f"\0tide@example.com\0{SECRET}".encode()


def test_a_refused_login_shows_no_password(
    mailbox: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_ALERT_EMAIL", "ann@example.com")
    url = f"smtp://ann:{SECRET}@127.0.0.1:{mailbox.port}"
    monkeypatch.setenv("TIDEMARK_ALERT_SMTP", url)
    mailbox.status = 535
    channel = email(load_settings())
    assert SECRET not in repr(channel)
    with pytest.raises(DeliveryError, match="answers with code 535") as caught:
        channel.send("subject", "text")
    text = "".join(traceback.format_exception(caught.value))
    assert SECRET not in text and mailbox.logins[0] not in text


def test_a_password_is_not_sent_unencrypted(
    mailbox: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_ALERT_EMAIL", "ann@example.com")
    monkeypatch.setenv("TIDEMARK_ALERT_SMTP", f"smtp://ann:x@127.0.0.1:{mailbox.port}")
    monkeypatch.setattr("pipelines.orchestration.delivery.is_this_machine", lambda host: False)
    with pytest.raises(DeliveryError, match="offers no encryption"):
        email(load_settings()).send("subject", "text")
    assert mailbox.logins == []


@needs_openssl
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_login_goes_through_tls(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_for("127.0.0.1", tmp_path / "server.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # trusted as a public authority is
    monkeypatch.setenv("TIDEMARK_ALERT_EMAIL", "ann@example.com")
    monkeypatch.setattr("pipelines.orchestration.delivery.is_this_machine", lambda host: False)
    with mail_server(certificate, at_once=scheme == "smtps") as mailbox:
        url = f"{scheme}://ann:{SECRET}@127.0.0.1:{mailbox.port}"
        monkeypatch.setenv("TIDEMARK_ALERT_SMTP", url)
        email(load_settings()).send("subject", "text")
    (mail,) = mailbox.mails
    assert mail.get_content().strip() == "text"
    assert mailbox.encrypted == [True]
    assert base64.b64decode(mailbox.logins[0]) == f"\0ann\0{SECRET}".encode()


@needs_openssl
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_server_that_cannot_prove_its_name_gets_no_password(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_for("192.0.2.1", tmp_path / "server.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("TIDEMARK_ALERT_EMAIL", "ann@example.com")
    monkeypatch.setattr("pipelines.orchestration.delivery.is_this_machine", lambda host: False)
    with mail_server(certificate, at_once=scheme == "smtps") as mailbox:
        url = f"{scheme}://ann:{SECRET}@127.0.0.1:{mailbox.port}"
        monkeypatch.setenv("TIDEMARK_ALERT_SMTP", url)
        with pytest.raises(DeliveryError, match="TLS: CERTIFICATE_VERIFY_FAILED") as caught:
            email(load_settings()).send("subject", "text")
    assert SECRET not in str(caught.value)
    assert (mailbox.mails, mailbox.logins) == ([], [])


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with webhook_server() as closed, mail_server() as silent:
        ports = closed.port, silent.port
    monkeypatch.setenv("TIDEMARK_ALERT_WEBHOOK", f"http://127.0.0.1:{ports[0]}/{SECRET}")
    monkeypatch.setenv("TIDEMARK_ALERT_EMAIL", "ann@example.com")
    monkeypatch.setenv("TIDEMARK_ALERT_SMTP", f"smtp://127.0.0.1:{ports[1]}")
    for open_channel in (webhook, email):
        with pytest.raises(DeliveryError, match="cannot be reached \\(Connection refused\\)"):
            open_channel(load_settings()).send("subject", "text")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("WEBHOOK", f"ftp://x/{SECRET}", "TIDEMARK_ALERT_WEBHOOK is no web address"),
        ("WEBHOOK", f"https://[x/{SECRET}", "TIDEMARK_ALERT_WEBHOOK is no web address"),
        ("WEBHOOK", f"https://x:y/{SECRET}", "TIDEMARK_ALERT_WEBHOOK is no web address"),
        ("WEBHOOK", f"https://x/ {SECRET}", "TIDEMARK_ALERT_WEBHOOK is no web address"),
        ("WEBHOOK", f"http://example.com/{SECRET}", "sent to example.com unencrypted"),
        ("EMAIL", "nobody", "TIDEMARK_ALERT_EMAIL is not one or more mail addresses"),
        ("SMTP", f"http://a:{SECRET}@x", "TIDEMARK_ALERT_SMTP is no address of a mail server"),
        ("SMTP", f"smtp://a:{SECRET}@x:y", "TIDEMARK_ALERT_SMTP is no address of a mail server"),
    ],
)
def test_a_wrong_address_is_named_not_shown(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_ALERT_EMAIL", "ann@example.com")
    monkeypatch.setenv(f"TIDEMARK_ALERT_{name}", value)
    with pytest.raises(ConfigError, match=says) as caught:
        (webhook if name == "WEBHOOK" else email)(load_settings())
    assert "Fix: " in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_wrong_address_does_not_stop_the_collection(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, home: Path
) -> None:
    monkeypatch.setenv("TIDEMARK_ALERT_WEBHOOK", "nonsense")
    (sensor,) = alert_sensors()
    with (
        dg.build_sensor_context(instance, definitions=DEFINITIONS) as context,
        pytest.raises(Exception) as caught,
    ):
        sensor.evaluate_tick(context)
    error: BaseException | None = caught.value
    while error is not None and not isinstance(error, TidemarkError):
        error = error.__cause__
    assert "is no web address" in str(error)
