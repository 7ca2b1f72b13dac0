"""A sink and a source of a user, as grpcio makes them from the contract.

service.py PORT CERTIFICATE FOLDER: each line of FOLDER/feed is an event of the source, and its token the number of the lines before
it and itself; FOLDER/calls gets a line of JSON for each call; FOLDER/answer says what the sink answers.
"""

import concurrent.futures
import json
import pathlib
import sys
import threading
import time

import grpc
from stanzabus.v1 import publisher_pb2, sink_pb2, sink_pb2_grpc, source_pb2, source_pb2_grpc

PORT, CERTIFICATE, FOLDER = sys.argv[1:]
FOLDER = pathlib.Path(FOLDER)
WRITING = threading.Lock()


def note(**call):
    with WRITING, open(FOLDER / "calls", "a", encoding="utf-8") as calls:
        calls.write(json.dumps(call) + "\n")


def authorization(context):
    return dict(context.invocation_metadata()).get("authorization")


class Sink(sink_pb2_grpc.SinkServiceServicer):
    def Deliver(self, request, context):
        answer = (FOLDER / "answer").read_text().strip()
        items = [delivery.event.item_id for delivery in request.deliveries]
        types = [delivery.event.cloud_event.type for delivery in request.deliveries]
        positions = [delivery.event.seq for delivery in request.deliveries]
        note(
            call="deliver",
            items=items,
            positions=positions,
            types=types,
            answer=answer,
            authorization=authorization(context),
        )
        if answer == "error" and items:
            context.abort(grpc.StatusCode.INTERNAL, "out of order")
        results = []
        for item in items:
            outcome = {"taken": 1, "later": 2, "never": 3}["taken" if item != "poison" else answer]
            results.append(sink_pb2.DeliverResult(outcome=outcome))
        return sink_pb2.DeliverResponse(results=results)


class Source(source_pb2_grpc.SourceServiceServicer):
    def Read(self, request, context):
        note(call="read", token=request.resume_token.decode(), authorization=authorization(context))
        at = int(request.resume_token or b"0")
        while context.is_active():
            lines = (FOLDER / "feed").read_text().splitlines()
            some = lines[at : at + 3]
            if not some:
                time.sleep(0.02)
                continue
            at += len(some)
            events = [publisher_pb2.NewEvent(item_id=line, xml=f"<e xmlns='urn:e' n='{line}'/>") for line in some]
            yield source_pb2.ReadResponse(events=events, resume_token=str(at).encode())


server = grpc.server(concurrent.futures.ThreadPoolExecutor(16))
sink_pb2_grpc.add_SinkServiceServicer_to_server(Sink(), server)
source_pb2_grpc.add_SourceServiceServicer_to_server(Source(), server)
pem = pathlib.Path(CERTIFICATE).read_bytes()
split = pem.index(b"-----BEGIN CERTIFICATE")
server.add_secure_port(f"localhost:{PORT}", grpc.ssl_server_credentials([(pem[:split], pem[split:])]))
server.start()
note(call="listening")
server.wait_for_termination()
