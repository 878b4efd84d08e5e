"""Servers that take alerts: a webhook and a mail server, on this machine."""

import json
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Received:
    """What a server was given. ``status``: what it answers from now on."""

    port: int = 0
    status: int = 200
    bodies: list[dict[str, Any]] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    """Of each login, whether it came through TLS."""
    paths: list[str] = field(default_factory=list)


@contextmanager
def webhook_server() -> Iterator[Received]:
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.paths.append(self.path)
            if received.status == 200:
                received.bodies.append(json.loads(body))
            self.send_response(received.status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler), received):
        yield received


@contextmanager
def mail_server(certificate: Path | None = None, at_once: bool = False) -> Iterator[Received]:
    """``certificate``: with its key; TLS after STARTTLS, which a login needs, or ``at_once``."""
    received = Received(status=250)

    class Handler(socketserver.StreamRequestHandler):
        def setup(self) -> None:
            self.secured = False
            if at_once:
                self.secure()
            super().setup()

        def secure(self) -> None:
            assert certificate is not None
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.request = context.wrap_socket(self.request, server_side=True)
            self.secured = True

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            with suppress(ssl.SSLError):  # the client does not trust the certificate
                self.talk()

        def finish(self) -> None:
            super().finish()
            self.request.close()  # the server closes the socket as it was accepted

        def talk(self) -> None:
            self.say("220 ready")
            while line := self.rfile.readline().decode().strip():
                match line.split()[0].upper():
                    case "EHLO":
                        self.say("250-here")
                        in_clear = certificate is not None and not self.secured
                        self.say("250 STARTTLS" if in_clear else "250 AUTH PLAIN")
                    case "STARTTLS":
                        self.say("220 go on")
                        self.secure()
                        super().setup()
                    case "AUTH":
                        received.logins.append(line.split()[2])
                        received.encrypted.append(self.secured)
                        wrong = f"535 no such user, you sent {line}"
                        self.say(wrong if received.status == 535 else "235 welcome")
                    case "DATA":
                        self.say("354 go on")
                        lines = []
                        while (part := self.rfile.readline()) != b".\r\n":
                            lines.append(part)
                        mail = message_from_bytes(b"".join(lines), policy=policy.default)
                        assert isinstance(mail, EmailMessage)
                        received.mails.append(mail)
                        self.say("250 taken")
                    case "QUIT":
                        self.say("221 bye")
                        return
                    case _:
                        self.say("250 fine")

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler), received):
        yield received


def certificate_for(host: str, path: Path) -> Path:
    """Write a certificate for ``host``, an IP address, with its key; signed by itself."""
    key = path.with_suffix(".key")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=IP:{host}"]
    files = ["-keyout", str(key), "-out", str(path)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


@contextmanager
def serving(server: socketserver.TCPServer, received: Received) -> Iterator[None]:
    received.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
