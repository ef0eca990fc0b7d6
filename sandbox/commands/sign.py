"""``sign``: a webhook's body, signed as the shop's marketplace signs it, as a command that posts it."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from aftercare.kernel.ids import stable_id
from aftercare.kernel.times import from_text, to_text
from sandbox.commands import DEFAULT_PORT, DONE, CannotRun, add_shops_option, moment, port
from sandbox.commands.opened import STANDARD, shops_of
from sandbox.commands.up import CLOCK_PATH
from sandbox.http_gateway import LOOPBACK
from sandbox.shops import Shop
from sandbox.twins.signing import SignedDelivery, sign_delivery

PATIENCE_SECONDS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "body", type=Path, metavar="BODY.json", help="type and data; a timestamp is added where it lacks"
    )
    parser.add_argument("--shop", required=True, help="as `python -m sandbox shops` names it")
    parser.add_argument("--id", help="the delivery's id (default: follows from the content)")
    parser.add_argument("--at", type=moment, metavar="TIME", help="when it is sent (default: by the sandbox's clock)")
    parser.add_argument("--port", type=port, default=DEFAULT_PORT, help="where the sandbox is up")
    add_shops_option(parser)


def run(options: argparse.Namespace) -> int:
    """Raises ``CannotRun``."""
    shop = _shop(options.shop, shops_of(options.shops))
    content = _content(options.body)
    at = options.at or _clock_of(options.port)
    print(as_curl(delivery(shop, content, at, options.id), options.port))
    return DONE


def delivery(shop: Shop, content: dict[str, Any], at: datetime, delivery_id: str | None) -> SignedDelivery:
    """``shop`` must have credentials at the standard door; it is signed with the newest of them."""
    said = {**content, "timestamp": content.get("timestamp", to_text(at.replace(microsecond=0)))}
    body = json.dumps(said, ensure_ascii=False).encode()
    secret = shop.credentials.secrets[0] if shop.credentials else ""
    return sign_delivery(shop.shop_id, secret, delivery_id or f"msg_{stable_id(shop.shop, body.decode())}", at, body)


def as_curl(signed: SignedDelivery, number: int) -> str:
    """For a POSIX shell."""
    headers = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in signed.headers.items()]
    parts = [
        f"curl -sSi http://{LOOPBACK}:{number}{signed.path}",
        *headers,
        f"--data-binary {shlex.quote(signed.body.decode())}",
    ]
    return " \\\n  ".join(parts)


def _shop(name: str, shops: tuple[Shop, ...]) -> Shop:
    signable = {shop.shop: shop for shop in shops if shop.door == STANDARD and shop.credentials is not None}
    if name not in signable:
        raise CannotRun(f"no shop {name!r} with credentials at the standard door, only {', '.join(signable) or 'none'}")
    return signable[name]


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CannotRun(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or not {"type", "data"} <= content.keys():
        raise CannotRun(f"{path}: a webhook is an object with type and data, see events/webhooks/standard/")
    return content


def _clock_of(number: int) -> datetime:
    """The time of the sandbox that is up there, or else this machine's: a signature is good for five minutes."""
    connection = HTTPConnection(LOOPBACK, number, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", CLOCK_PATH)
        return from_text(connection.getresponse().read().decode().strip())
    except (OSError, HTTPException, ValueError):
        print(f"no sandbox is up on port {number}: signed at this machine's time", file=sys.stderr)
        return datetime.now(UTC)
    finally:
        connection.close()
