"""A little SMTP server in a thread, for what mails an application really sends."""

from __future__ import annotations

import socketserver
import threading

mails: list[str] = []


class Session(socketserver.StreamRequestHandler):
    """Takes every mail, but none to nobody@; keeps envelope and content in `mails`."""

    def handle(self) -> None:
        self.say("220 sink")
        envelope: list[str] = []
        while line := self.rfile.readline().decode().strip():
            command = line.split(" ")[0].upper()
            if command == "DATA":
                self.say("354 go on")
                mails.append("\n".join([*envelope, self.read_content()]))
                envelope = []
            elif command in ("MAIL", "RCPT"):
                envelope.append(line)
            refused = "nobody@" in line
            self.say("550 no such person" if refused else f"{221 if command == 'QUIT' else 250} ok")
            if command == "QUIT":
                return

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def read_content(self) -> str:
        lines = []
        while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
            lines.append(line)
        return "\n".join(lines)


def start() -> int:
    """Serve on a free port until the process ends; return the port."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])
