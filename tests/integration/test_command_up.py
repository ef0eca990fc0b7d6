"""``python -m sandbox up`` and ``sign``, as a person at a terminal uses them: processes, sockets and files."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from threading import Timer
from urllib.parse import urlsplit

import pytest

from aftercare.events.vocabulary import MARKETPLACES, NEGOTIATION
from aftercare.marketplaces.standard.verify import verify
from sandbox.__main__ import main
from sandbox.shops import read_shops

SAMPLES = Path(__file__).parents[2] / "events" / "webhooks" / "standard"
AT = "2026-11-05T11:20:00Z"
PATIENCE_SECONDS = 60
CapSys = pytest.CaptureFixture[str]


def signed(capsys: CapSys, sample: str, *options: str) -> tuple[str, dict[str, str], bytes]:
    """URL, headers and body of the command that ``sign`` prints."""
    assert main(["sign", str(SAMPLES / sample), "--shop", "standard:tea-house", *options]) == 0
    curl, _, url, *rest = shlex.split(capsys.readouterr().out.replace("\\\n", ""))
    assert curl == "curl"
    pairs = list(zip(rest[::2], rest[1::2], strict=True))
    headers = dict(value.split(": ", 1) for name, value in pairs if name == "-H")
    (body,) = (value for name, value in pairs if name == "--data-binary")
    return url, headers, body.encode()


@dataclass
class Up:
    process: subprocess.Popen[str]
    said: Iterator[str]
    url: str
    token: str

    def request(self, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, str]:
        connection = HTTPConnection(str(urlsplit(self.url).hostname), urlsplit(self.url).port, timeout=PATIENCE_SECONDS)
        connection.request(method, target, body or None, headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    out = tmp_path / "out"
    os.mkfifo(out)  # whoever reads it waits for the next event
    command = [sys.executable, "-m", "sandbox", "up", "--port", "0", "--at", AT, "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own command
        watchdog = Timer(PATIENCE_SECONDS, process.kill)
        watchdog.start()
        assert process.stdout is not None
        with out.open(encoding="utf-8") as said:
            greeting = iter(process.stdout.readline, "")
            url = next(greeting).split(" at ")[1].split(";")[0]
            token = next(line for line in greeting if line.startswith("TOKEN=")).strip().removeprefix("TOKEN=")
            yield Up(process, iter(said.readline, ""), url, token)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0
        watchdog.cancel()


def negotiated(up: Up, count: int) -> list[str]:
    """The names of the next events about the refund; others hear the order too and have their own to say."""
    entries = (json.loads(line) for line in up.said)
    about = (entry["detail-type"] for entry in entries if entry["source"] in (MARKETPLACES, NEGOTIATION))
    return list(islice(about, count))


def test_signed_webhooks_become_an_offer_that_the_buyer_takes_once(up: Up, capsys: CapSys) -> None:
    port = str(urlsplit(up.url).port)
    for sample, events in (
        ("order_paid_tea_set.json", ["OrderPaid"]),
        ("refund_requested_damaged.json", ["RefundRequested", "NegotiationOpened", "OffersPresented"]),
    ):
        url, headers, body = signed(capsys, sample, "--port", port)
        assert url.startswith(up.url)
        assert up.request("POST", urlsplit(url).path, headers, body)[0] == 202
        assert negotiated(up, len(events)) == events
    status, index = up.request("GET", "/", {})
    assert status == 200
    link = next(line.strip() for line in index.splitlines() if "/offers/" in line)
    assert link.startswith(up.url)
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert up.request("POST", urlsplit(link).path, form, b"choice=r1o1")[0] == 303
    events = ["OfferAccepted", "SettlementRecorded", "NegotiationClosed", "RefundDecided"]
    assert negotiated(up, len(events)) == events
    assert up.request("GET", "/v1/plans", {"authorization": f"Bearer {up.token}"})[0] == 200
    assert up.request("GET", "/v1/plans", {})[0] == 401


def test_a_port_in_use_is_said_in_one_line(capsys: CapSys) -> None:
    before = signal.getsignal(signal.SIGINT)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["up", "--port", str(port)]) == 2
    assert signal.getsignal(signal.SIGINT) is before
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in capsys.readouterr().err


def test_a_record_that_cannot_be_written_is_said_before_anything_starts(tmp_path: Path, capsys: CapSys) -> None:
    assert main(["up", "--out", str(tmp_path / "no" / "folder")]) == 2
    assert "No such file or directory" in capsys.readouterr().err


# ---------------------------------------------------------------- sign


def test_what_is_signed_is_genuine_at_its_time(capsys: CapSys) -> None:
    _, headers, body = signed(capsys, "order_paid_scarf.json", "--at", AT, "--id", "msg_7")
    secrets = read_shops()[0].credentials
    assert secrets is not None
    now = datetime(2026, 11, 5, 11, 20, tzinfo=UTC)
    assert verify(headers, body, {"secrets": secrets.secrets}, now).delivery_id == "msg_7"


def test_a_timestamp_is_added_where_there_is_none(tmp_path: Path, capsys: CapSys) -> None:
    path = tmp_path / "body.json"
    path.write_text('{"type": "order.cancelled", "data": {"order_id": "茶"}}', encoding="utf-8")
    _, _, body = signed(capsys, str(path), "--at", AT)
    assert json.loads(body) == {"type": "order.cancelled", "data": {"order_id": "茶"}, "timestamp": AT}


def test_the_same_content_has_the_same_id_and_another_another(capsys: CapSys) -> None:
    ids = [
        signed(capsys, sample, "--at", AT)[1]["webhook-id"]
        for sample in ("order_paid_scarf.json", "order_paid_scarf.json", "order_paid_lamp.json")
    ]
    assert ids[0] == ids[1] != ids[2]


def test_where_no_sandbox_is_up_this_machines_time_is_taken(capsys: CapSys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert (
        main(["sign", str(SAMPLES / "order_paid_scarf.json"), "--shop", "standard:tea-house", "--port", str(port)]) == 0
    )
    assert f"no sandbox is up on port {port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "shop", "complaint"),
    [
        ("{", "standard:tea-house", "is not JSON"),
        ("{}", "standard:tea-house", "an object with type and data"),
        ('{"type": "x", "data": {}}', "standard:nobody", "no shop 'standard:nobody'"),
    ],
)
def test_what_cannot_be_signed_is_said(tmp_path: Path, body: str, shop: str, complaint: str, capsys: CapSys) -> None:
    path = tmp_path / "body.json"
    path.write_text(body, encoding="utf-8")
    assert main(["sign", str(path), "--shop", shop, "--at", AT]) == 2
    assert complaint in capsys.readouterr().err
