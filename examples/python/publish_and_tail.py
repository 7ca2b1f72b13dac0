import sys

import grpc
from stanzabus.v1 import publisher_pb2, publisher_pb2_grpc, subscriber_pb2, subscriber_pb2_grpc

address, token_file, node = sys.argv[1:]
with open(token_file) as file:
    metadata = [("authorization", f"Bearer {file.read().strip()}")]

with grpc.insecure_channel(address) as channel:
    order = publisher_pb2.NewEvent(item_id="order-7", xml="<order xmlns='urn:example:shop' number='7'/>")
    request = publisher_pb2.PublishRequest(node=node, events=[order])
    answer = publisher_pb2_grpc.PublisherStub(channel).Publish(request, metadata=metadata)
    published = answer.results[0]
    print(f"on disk: {published.item_id} is seq {published.seq}", flush=True)

    # Keep (epoch, seq) of the last event that you have dealt with, and come back with them.
    request = subscriber_pb2.TailRequest(node=node, after_seq=published.seq - 1, expected_epoch=answer.epoch)
    for frame in subscriber_pb2_grpc.SubscriberStub(channel).Tail(request, metadata=metadata):
        if frame.HasField("event"):
            print(f"seq {frame.event.seq}: {frame.event.item_id} {frame.event.xml}", flush=True)
