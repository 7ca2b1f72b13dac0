//! A worker of a durable subscription: prints events and acknowledges them. Start as many as there is work for; what one of
//! them takes and never acknowledges is handed to another one. README.md beside this file says how to run it.
#![expect(clippy::print_stdout, reason = "it shows what it gets")]

use std::error::Error;
use std::fs;

use bridge_grpc::v1;
use bridge_grpc::v1::event::Payload;
use bridge_grpc::v1::subscribe_request::Frame as Asked;
use bridge_grpc::v1::subscribe_response::Frame;
use bridge_grpc::v1::subscriber_client::SubscriberClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Endpoint;

/// Events that may be here without an acknowledgement.
const AT_ONCE: u64 = 10;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, token_file, subscription] = &arguments[..] else {
        return Err("usage: worker ADDRESS:PORT TOKEN-FILE SUBSCRIPTION".into());
    };
    let token: MetadataValue<Ascii> = format!("Bearer {}", fs::read_to_string(token_file)?.trim()).parse()?;
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let mut subscriber = SubscriberClient::with_interceptor(channel, move |mut request: Request<()>| {
        request.metadata_mut().insert("authorization", token.clone());
        Ok(request)
    });

    let (asks, requests) = mpsc::channel(16);
    let ask = async |frame| asks.send(v1::SubscribeRequest { frame: Some(frame) }).await;
    let credit = |messages| v1::Credit { messages, bytes: 1 << 20 };
    let open = v1::SubscriptionOpen {
        subscription: subscription.clone(),
        credit: Some(credit(AT_ONCE)),
        ..v1::SubscriptionOpen::default()
    };
    ask(Asked::Open(open)).await?;
    let mut answers = subscriber.subscribe(ReceiverStream::new(requests)).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        match answer.frame {
            Some(Frame::Deliveries(some)) => {
                let mut lease_ids = Vec::new();
                for delivery in some.deliveries {
                    deal_with(&delivery.event.unwrap_or_default(), delivery.attempt);
                    lease_ids.push(delivery.lease_id);
                }
                let more = credit(lease_ids.len() as u64);
                ask(Asked::Ack(v1::Acknowledgement { lease_ids })).await?;
                ask(Asked::Credit(more)).await?;
            }
            // Only now they are settled for good.
            Some(Frame::LeaseResults(some)) => println!("settled: {}", some.results.len()),
            Some(Frame::GoingAway(_)) => break,
            _ => {}
        }
    }
    Ok(())
}

fn deal_with(event: &v1::Event, attempt: u32) {
    let payload = match &event.payload {
        Some(Payload::Xml(xml)) => xml,
        _ => "",
    };
    println!("seq {}, attempt {attempt}: {} {payload}", event.seq, event.item_id);
}
