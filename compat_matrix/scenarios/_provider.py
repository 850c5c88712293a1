"""A little OAuth provider in a thread: every code and token is one of its own making."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

#: The challenge of each code that was handed out, as a browser would have brought it here.
challenges: dict[str, str] = {}
seen: list[str] = []


class Provider(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        seen.append(f"GET {self.path} {self.headers.get('Authorization')}")
        if self.path == "/me" and self.headers.get("Authorization", "").startswith("Bearer token-"):
            self.answer(200, {"sub": "ann", "email": "ann@b.example"})
        else:
            self.answer(401, {"error": "invalid_token"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = dict(parse_qsl(body))
        seen.append(f"POST {self.path} {form.get('grant_type')}")
        if self.path == "/oauth1/request":
            self.answer(200, "oauth_token=request-token&oauth_token_secret=s1")
        elif self.path == "/oauth1/access":
            self.answer(200, "oauth_token=access-token&oauth_token_secret=s2&name=ann")
        elif form.get("code", "").startswith("good") or "refresh_token" in form:
            self.answer(200, self.token(form))
        else:
            self.answer(400, {"error": "invalid_grant", "error_description": "no such code"})

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        expected = challenges.get(form.get("code", ""), challenge)
        return {
            "access_token": f"token-{form['grant_type']}",
            "token_type": "Bearer",
            "expires_in": -10 if form.get("code") == "good-expired" else 3600,
            "refresh_token": "refresh-1",
            "verified": challenge == expected,
        }

    def answer(self, status: int, data: object) -> None:
        text = data if isinstance(data, str) else json.dumps(data)
        form = "application/x-www-form-urlencoded"
        self.send_response(status)
        self.send_header("Content-Type", form if text is data else "application/json")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: object) -> None:
        pass


def start() -> str:
    """Serve on a free port until the process ends; return the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
