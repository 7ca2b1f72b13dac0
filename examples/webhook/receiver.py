"""Takes webhooks of stanzabus and checks their signatures, in nothing but Python's library.

    python receiver.py 8443 server.pem webhook.secret

`server.pem` holds a private key and its certificate, `webhook.secret` the key of `stanzabus sub create --webhook-secret-file`.
"""

import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import ssl
import sys
import time

port, certificate, secret_file = sys.argv[1:]
key = base64.b64decode(pathlib.Path(secret_file).read_text().strip().removeprefix("whsec_"))


def is_ours(headers, body):
    """Whether somebody with the key has sent this, within five minutes (Standard Webhooks)."""
    identifier, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "0")
    signed = hmac.new(key, f"{identifier}.{moment}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(signed).decode()
    is_recent = moment.isdigit() and abs(time.time() - int(moment)) < 300
    return is_recent and hmac.compare_digest(headers.get("webhook-signature", ""), expected)


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_OPTIONS(self):
        """Agrees to get events, at any rate."""
        self.send_response(200)
        self.send_header("WebHook-Allowed-Origin", self.headers.get("WebHook-Request-Origin", "*"))
        self.send_header("WebHook-Allowed-Rate", "*")
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if not is_ours(self.headers, body):
            self.send_error(401)
            return
        event = json.loads(body)
        # The same event may come again: webhook-id, or source and id of the event, tell.
        print(event["type"], event["id"], event.get("data"), flush=True)
        self.send_response(204)  # Acknowledged: it does not come again.
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Receiver)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)
server.socket = context.wrap_socket(server.socket, server_side=True)
print("listening", flush=True)
server.serve_forever()
