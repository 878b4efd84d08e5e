"""Send a message to a webhook or by e-mail.

Addresses of webhooks and passwords are secrets: no exception from here holds one, nor what a server
answered to them.
"""

import http.client
import json
import re
import smtplib
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from connectors.hosts import is_this_machine
from pipelines.output.formatting import with_fix
from pipelines.settings import ALERT_EMAIL, ALERT_SMTP, ALERT_WEBHOOK, ALLOW_HTTP, Settings
from schemas import ConfigError, TidemarkError

SECONDS: Final = 15.0
"""How long a server may take for one step."""
_DEFAULT_SMTP: Final = "smtp://localhost"
_PORTS: Final = {"smtp": 25, "smtps": 465}
_ADDRESS: Final = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+")


class DeliveryError(TidemarkError):
    """A message could not be handed over."""


class Channel(Protocol):
    """A way to the user."""

    def send(self, subject: str, text: str) -> None:
        """Hand the message over. Raises ``DeliveryError``."""


@dataclass(frozen=True)
class Webhook:
    """An address that takes ``{"text": …}`` by POST, as Slack's incoming webhooks do.

    Mattermost, Rocket.Chat and Discord (``…/slack``) take the same.
    """

    url: str = field(repr=False)
    host: str

    def send(self, subject: str, text: str) -> None:
        """Raises ``DeliveryError``, without the address: whoever knows it can write there."""
        body = json.dumps({"text": _for_slack(f"*{subject}*\n{text}")}).encode()
        request = urllib.request.Request(
            self.url,
            data=body,
            headers={"Content-Type": "application/json", "User-Agent": "tidemark"},
            method="POST",
        )
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=SECONDS):
                return
        except urllib.error.HTTPError as error:
            problem = f"answers with status {error.code}"
            error.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = f"cannot be reached ({_reason(error)})"
        # outside of the except block: the library's error may hold the address
        fix = f"check {ALERT_WEBHOOK}; it is sent again until it is taken"
        raise DeliveryError(with_fix(f"the webhook at {self.host} {problem}", fix))


@dataclass(frozen=True)
class Email:
    """A mailbox, and the server that takes mail for it."""

    recipients: tuple[str, ...]
    sender: str
    host: str
    port: int
    encrypted: bool
    """Whether TLS begins with the connection. Else STARTTLS, where the server offers it."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def send(self, subject: str, text: str) -> None:
        """Raises ``DeliveryError``."""
        message = EmailMessage()
        message["Subject"] = " ".join(subject.split())
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="tidemark")
        message.set_content(text)
        try:
            self._hand_over(message)
            return
        except smtplib.SMTPResponseException as error:
            problem = f"answers with code {error.smtp_code}"
        except smtplib.SMTPRecipientsRefused:
            problem = "takes no mail for the recipient"
        except smtplib.SMTPNotSupportedError:
            problem = "offers no encryption or no login, and a password is set"
        except (OSError, smtplib.SMTPException, ValueError) as error:
            problem = f"cannot be reached ({_reason(error)})"
        fix = f"check {ALERT_SMTP} and {ALERT_EMAIL}; it is sent again until it is taken"
        raise DeliveryError(with_fix(f"the mail server {self.host}:{self.port} {problem}", fix))

    def _hand_over(self, message: EmailMessage) -> None:
        context = ssl.create_default_context()
        connection = (
            smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=context)
            if self.encrypted
            else smtplib.SMTP(self.host, self.port, timeout=SECONDS)
        )
        with connection as server:
            server.ehlo()
            local = is_this_machine(self.host)
            secret = self.password is not None and not local
            # on this machine a certificate is seldom for its name
            if not self.encrypted and (secret or (server.has_extn("starttls") and not local)):
                server.starttls(context=context)
                server.ehlo()
            if self.user is not None and self.password is not None:
                server.login(self.user, self.password)
            server.send_message(message)


def webhook(settings: Settings) -> Webhook:
    """The webhook of ``TIDEMARK_ALERT_WEBHOOK``. Raises ``ConfigError`` without its address."""
    url = settings.variables.get(ALERT_WEBHOOK, "")
    fix = f"{ALERT_WEBHOOK}=https://hooks.slack.com/services/…"
    host, scheme = _host_of(url)
    if scheme not in ("http", "https") or not host or not re.fullmatch(r"[!-~]+", url):
        raise ConfigError(with_fix(f"{ALERT_WEBHOOK} is no web address", fix))
    if scheme == "http" and not is_this_machine(host) and not settings.allows_http:
        problem = f"{ALERT_WEBHOOK} would be sent to {host} unencrypted, and the address is secret"
        raise ConfigError(with_fix(problem, f"write https://, or set {ALLOW_HTTP}=1"))
    return Webhook(url, host)


def email(settings: Settings) -> Email:
    """The mailbox of ``TIDEMARK_ALERT_EMAIL``. Raises ``ConfigError`` without the password."""
    named = settings.variables.get(ALERT_EMAIL, "")
    recipients = tuple(part for part in re.split(r"[\s,;]+", named) if part)
    if not recipients or not all(map(_ADDRESS.fullmatch, recipients)):
        fix = f"{ALERT_EMAIL}=you@example.com"
        raise ConfigError(with_fix(f"{ALERT_EMAIL} is not one or more mail addresses", fix))
    url = settings.variables.get(ALERT_SMTP, _DEFAULT_SMTP)
    host, scheme = _host_of(url)
    if scheme not in _PORTS or not host:
        fix = f"{ALERT_SMTP}=smtp://user:password@mail.example.com:587, or smtps://…"
        raise ConfigError(
            with_fix(f"{ALERT_SMTP} is no address of a mail server (%40 stands for an @)", fix)
        )
    parts = urlsplit(url)
    user = unquote(parts.username) if parts.username else None
    return Email(
        recipients,
        sender=user if user and _ADDRESS.fullmatch(user) else recipients[0],
        host=host,
        port=parts.port or _PORTS[scheme],
        encrypted=scheme == "smtps",
        user=user,
        password=unquote(parts.password) if parts.password else None,
    )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect becomes an error: it would carry the message elsewhere."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


def _host_of(url: str) -> tuple[str, str]:
    """Host and scheme; empty where ``url`` is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # a bad one raises only when it is asked for
        return parts.hostname or "", parts.scheme
    except ValueError:
        return "", ""


def _reason(error: Exception) -> str:
    """What went wrong in words of the operating system, never the library's own text."""
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, ssl.SSLError):
        return f"TLS: {inner.reason or 'failed'}"
    if isinstance(inner, TimeoutError):
        return "no answer in time"
    return (inner.strerror if isinstance(inner, OSError) else None) or type(inner).__name__


def _for_slack(text: str) -> str:
    """``text`` without Slack's commands: ``<!channel>`` in an exchange's text calls nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
