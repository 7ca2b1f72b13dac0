"""A source: stanzabus reads its stream into a node. Here each line of a file is an order, and new ones may be added.

    python source.py 8444 server.pem source.token orders.txt

`server.pem` holds a private key and its certificate, `source.token` what `stanzabus source create --token-file` was given.
"""

import concurrent.futures
import hmac
import pathlib
import sys
import time
import xml.sax.saxutils

import grpc
from stanzabus.v1 import publisher_pb2, source_pb2, source_pb2_grpc

port, certificate, token_file, orders = sys.argv[1:]
expected = f"Bearer {pathlib.Path(token_file).read_text().strip()}"


def order(number, line):
    text = xml.sax.saxutils.escape(line)
    return publisher_pb2.NewEvent(item_id=f"order-{number}", xml=f"<order xmlns='urn:example:shop'>{text}</order>")


class Source(source_pb2_grpc.SourceServiceServicer):
    def Read(self, request, context):
        given = dict(context.invocation_metadata()).get("authorization", "")
        if not hmac.compare_digest(given, expected):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "this is not the source's token")
        # The token is what we make of it: here, how many lines are in the log. The bus keeps it with the events that it stands
        # behind and comes back with it, after a crash of either side, too; so none is lost or published twice.
        done = int(request.resume_token or b"0")
        while context.is_active():
            text = pathlib.Path(orders).read_text(encoding="utf-8")
            # Whole lines only: the last one may still be on its way.
            lines = text[: text.rfind("\n") + 1].splitlines()[done : done + 100]
            if not lines:
                time.sleep(0.5)
                continue
            events = [order(number, line) for number, line in enumerate(lines, done + 1)]
            done += len(lines)
            yield source_pb2.ReadResponse(events=events, resume_token=str(done).encode())


server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
source_pb2_grpc.add_SourceServiceServicer_to_server(Source(), server)
pem = pathlib.Path(certificate).read_bytes()
server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([(pem, pem)]))
server.start()
print("listening", flush=True)
server.wait_for_termination()
