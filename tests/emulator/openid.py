"""An OpenID issuer on 127.0.0.1 whose keys everybody may fetch, as an HTTP API's authorizer does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from jwt.algorithms import RSAAlgorithm

from aftercare.aws.clock import SystemClock
from sandbox.jwt_issuer import KEY_ID, JwtIssuer
from sandbox.template import read_template

KEYS = "/keys"


@contextmanager
def issuing() -> Iterator[JwtIssuer]:
    """One for the template's audience, as long as the block lasts."""
    documents: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = documents.get(self.path)
            self.send_response(404 if document is None else 200)
            self.send_header("content-length", str(len(document or b"")))
            self.end_headers()
            self.wfile.write(document or b"")

        def log_message(self, *_: object) -> None:
            """Keeps the terminal quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        [authorizer] = {route.authorizer for route in read_template().routes if route.authorizer is not None}
        issuer = JwtIssuer(f"http://127.0.0.1:{server.server_port}", authorizer.audience[0], SystemClock())
        key = issuer.public_key(KEY_ID)
        assert key is not None
        known = {**RSAAlgorithm.to_jwk(key, as_dict=True), "kid": KEY_ID}
        documents["/.well-known/openid-configuration"] = json.dumps({"jwks_uri": issuer.issuer + KEYS}).encode()
        documents[KEYS] = json.dumps({"keys": [known]}).encode()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
