"""A receiver of webhooks that answers as a test says and writes down what it gets, in nothing but Python's library.

receiver.py PORT CERTIFICATE FOLDER SECRET: FOLDER/answers.json says how to answer; FOLDER/requests gets a line of JSON for
each request, with whether its signature is right.
"""

import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import ssl
import sys
import threading

PORT, CERTIFICATE, FOLDER, SECRET = sys.argv[1:]
FOLDER = pathlib.Path(FOLDER)
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
WRITING = threading.Lock()


def is_signed(headers, body):
    """Whether Standard Webhooks' signature is right."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(headers.get("webhook-signature", ""), f"v1,{expected}")


class Receiver(http.server.BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        got = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode(),
            "signed": self.command == "POST" and is_signed(self.headers, body),
        }
        with WRITING:
            with open(FOLDER / "requests", "a", encoding="utf-8") as requests:
                requests.write(json.dumps(got) + "\n")
            answer = json.loads((FOLDER / "answers.json").read_text())[self.command]
        self.send_response(answer["status"])
        for name, value in answer.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()

    do_OPTIONS = do_POST = do_GET = answer

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


server = Server(("127.0.0.1", int(PORT)), Receiver)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
