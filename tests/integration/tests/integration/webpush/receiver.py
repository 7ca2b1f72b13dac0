"""A push service and its user agent in one, made of libraries that know nothing of the bus.

Prints its subscription, then one JSON line for each message that it has decrypted with http_ece (pywebpush's own) and whose
VAPID signature it has verified with cryptography.

Usage: receiver.py FILE-WITH-KEY-AND-CERTIFICATE MESSAGES
"""

import base64
import json
import os
import ssl
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import http_ece
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def point(key):
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def verified_claims(authorization):
    scheme, parameters = authorization.split(" ", 1)
    assert scheme == "vapid", scheme
    parameters = dict(part.strip().split("=", 1) for part in parameters.split(","))
    signed, signature = parameters["t"].rsplit(".", 1)
    signature = decode(signature)
    assert len(signature) == 64, len(signature)
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode(parameters["k"]))
    numbers = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    key.verify(utils.encode_dss_signature(*numbers), signed.encode(), ec.ECDSA(hashes.SHA256()))
    header, claims = (json.loads(decode(part)) for part in signed.split("."))
    assert header == {"typ": "JWT", "alg": "ES256"}, header
    return claims


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Encoding"] == "aes128gcm"
        plaintext = http_ece.decrypt(body, private_key=private_key, auth_secret=auth_secret, version="aes128gcm")
        line = {
            "path": self.path,
            "plaintext": plaintext.decode(),
            "ttl": self.headers["TTL"],
            "claims": verified_claims(self.headers["Authorization"]),
        }
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()
        print(json.dumps(line), flush=True)

    def log_message(self, *arguments):
        pass


private_key = ec.generate_private_key(ec.SECP256R1())
auth_secret = os.urandom(16)
server = HTTPServer(("127.0.0.1", 0), Receiver)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(sys.argv[1])
server.socket = tls.wrap_socket(server.socket, server_side=True)
origin = f"https://127.0.0.1:{server.server_port}"
keys = {"p256dh": encode(point(private_key.public_key())), "auth": encode(auth_secret)}
print(json.dumps({"endpoint": f"{origin}/push?for=me", "keys": keys}), flush=True)
for _ in range(int(sys.argv[2])):
    server.handle_request()
