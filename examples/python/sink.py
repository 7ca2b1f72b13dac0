"""A sink: stanzabus calls it with the events of a durable subscription, and hears what has become of each.

    python sink.py 8443 server.pem sink.token

`server.pem` holds a private key and its certificate, `sink.token` what `stanzabus sub create --sink-token-file` was given.
"""

import concurrent.futures
import hmac
import pathlib
import sys

import grpc
from stanzabus.v1 import event_pb2, sink_pb2, sink_pb2_grpc

port, certificate, token_file = sys.argv[1:]
expected = f"Bearer {pathlib.Path(token_file).read_text().strip()}"


def take(event):
    """Deals with an event. It may come again when an answer got lost: (node, epoch, seq) tells."""
    if event.kind == event_pb2.EVENT_KIND_PUBLISHED:
        print(f"seq {event.seq}: {event.item_id} {event.cloud_event.text_data}", flush=True)
    # It is acknowledged. What is LATER comes again by the subscription's schedule, what is NEVER becomes a dead letter.
    return sink_pb2.DeliverResult(outcome=sink_pb2.DELIVER_OUTCOME_TAKEN)


class Sink(sink_pb2_grpc.SinkServiceServicer):
    def Deliver(self, request, context):
        given = dict(context.invocation_metadata()).get("authorization", "")
        if not hmac.compare_digest(given, expected):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "this is not the sink's token")
        # A request without deliveries asks whether we want to be called: any answer agrees.
        return sink_pb2.DeliverResponse(results=[take(delivery.event) for delivery in request.deliveries])


server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
sink_pb2_grpc.add_SinkServiceServicer_to_server(Sink(), server)
pem = pathlib.Path(certificate).read_bytes()
server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([(pem, pem)]))
server.start()
print("listening", flush=True)
server.wait_for_termination()
