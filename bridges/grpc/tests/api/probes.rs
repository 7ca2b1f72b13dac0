//! Health and reflection answer everyone: probes and tools have no token.

use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
use tonic_reflection::pb::v1alpha;

use crate::rig::{Rig, soon};

const SERVICES: [&str; 6] = [
    "stanzabus.v1.Publisher",
    "stanzabus.v1.Subscriber",
    "stanzabus.v1.Nodes",
    "stanzabus.v1.Push",
    "stanzabus.v1.PushProfiles",
    "stanzabus.v1.Operations",
];

async fn health(rig: &Rig, service: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest { service: service.to_owned() };
    match HealthClient::new(rig.channel()).check(request).await {
        Ok(response) => Ok(response.into_inner().status()),
        Err(status) => Err(status.code()),
    }
}

#[tokio::test]
async fn health_is_told_for_the_server_and_for_each_service() {
    let rig = Rig::start().await;
    for service in SERVICES.iter().chain(&[""]) {
        assert_eq!(health(&rig, service).await, Ok(ServingStatus::Serving), "{service}");
        rig.health.set_not_serving().await;
        assert_eq!(health(&rig, service).await, Ok(ServingStatus::NotServing), "{service}");
        rig.health.set_serving().await;
    }
    assert_eq!(health(&rig, "stanzabus.v1.Pushes").await, Err(Code::NotFound));
}

#[tokio::test]
async fn a_watcher_hears_that_the_server_stops_and_does_not_hold_it_up() {
    let mut rig = Rig::start().await;
    let request = HealthCheckRequest { service: String::new() };
    let mut watch = HealthClient::new(rig.channel()).watch(request).await.unwrap().into_inner();
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::Serving);
    rig.shutdown.cancel();
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
    soon(&mut rig.server).await.unwrap().unwrap();
}

async fn reflect(rig: &Rig, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut client = ServerReflectionClient::new(rig.channel());
    let mut answers =
        client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let answer: ServerReflectionResponse = soon(answers.next()).await.unwrap().unwrap();
    answer.message_response.unwrap()
}

#[tokio::test]
async fn reflection_names_what_is_served_and_describes_it() {
    let rig = Rig::start().await;
    let MessageResponse::ListServicesResponse(list) =
        reflect(&rig, MessageRequest::ListServices(String::new())).await
    else {
        panic!("a list of services");
    };
    let mut names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "stanzabus.v1.Nodes",
        "stanzabus.v1.Operations",
        "stanzabus.v1.Publisher",
        "stanzabus.v1.Push",
        "stanzabus.v1.PushProfiles",
        "stanzabus.v1.Sources",
        "stanzabus.v1.Subscriber",
        "stanzabus.v1.Subscriptions",
    ];
    assert_eq!(names, expected);
    for service in SERVICES {
        let question = MessageRequest::FileContainingSymbol(service.to_owned());
        let answer = reflect(&rig, question).await;
        assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{service}: {answer:?}");
    }
}

#[tokio::test]
async fn older_tools_find_reflection_too() {
    let rig = Rig::start().await;
    let question = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(rig.channel());
    let mut answers =
        client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    soon(answers.next()).await.unwrap().unwrap();
}
