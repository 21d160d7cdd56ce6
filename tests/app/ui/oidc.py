"""A small OpenID Connect provider on this machine, at which everybody is who the test says."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT = "callboard"


class Provider:
    """Logs whoever comes in as `email`, without asking."""

    def __init__(self, email: str) -> None:
        self.email = email
        self._key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})
        self._nonces: dict[str, str] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                address = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(address.query).items()}
                match address.path:
                    case "/.well-known/openid-configuration":
                        self._send(provider.configuration)
                    case "/jwks":
                        self._send({"keys": [provider._key.as_dict(private=False)]})
                    case "/authorize":
                        code = f"code-{len(provider._nonces)}"
                        provider._nonces[code] = query.get("nonce", "")
                        back = urlencode({"code": code, "state": query["state"]})
                        self.send_response(302)
                        self.send_header("Location", f"{query['redirect_uri']}?{back}")
                        self.end_headers()
                    case _:
                        self.send_error(404)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                code = parse_qs(body)["code"][0]
                self._send(provider.tokens(code))

            def _send(self, data: Any) -> None:
                content = json.dumps(data).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        """The issuer."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def configuration(self) -> dict[str, Any]:
        """What the provider tells about itself."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def tokens(self, code: str) -> dict[str, Any]:
        """Return the tokens for a code."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": f"id-of-{self.email}",
            "email": self.email,
            "nonce": self._nonces[code],
            "iat": now,
            "exp": now + 600,
        }
        signed = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self._key)
        return {"access_token": "none", "token_type": "Bearer", "id_token": signed}

    def __enter__(self) -> Provider:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
