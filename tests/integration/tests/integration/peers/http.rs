use anyhow::Result;
use harness::{EventStream, HttpRequest, HttpResponse, http_send};

/// Somebody with a token, at the HTTP API.
#[derive(Clone)]
pub(crate) struct HttpCaller {
    port: u16,
    authorization: String,
}

impl HttpCaller {
    /// The holder of a token, towards a loopback port.
    pub(crate) fn at(port: u16, token: &str) -> Self {
        Self { port, authorization: format!("Bearer {token}") }
    }

    /// Publishes a CloudEvent, in the JSON format.
    pub(crate) async fn publish(&self, node: &str, event: &str) -> Result<HttpResponse> {
        self.publish_to(format!("/v1/nodes/{node}/events"), event).await
    }

    /// Publishes a CloudEvent as this item.
    pub(crate) async fn publish_item(&self, node: &str, item_id: &str, event: &str) -> Result<HttpResponse> {
        self.publish_to(format!("/v1/nodes/{node}/events?item_id={item_id}"), event).await
    }

    /// Takes an item back.
    pub(crate) async fn retract(&self, node: &str, item_id: &str) -> Result<HttpResponse> {
        http_send(self.port, &self.request("DELETE", format!("/v1/nodes/{node}/items/{item_id}"))).await
    }

    /// Reads an item.
    pub(crate) async fn item(&self, node: &str, item_id: &str) -> Result<HttpResponse> {
        http_send(self.port, &self.request("GET", format!("/v1/nodes/{node}/items/{item_id}"))).await
    }

    /// Reads a node's log from now on; or what is said instead.
    pub(crate) async fn follow(&self, node: &str) -> Result<Result<EventStream, HttpResponse>> {
        EventStream::open(self.port, &self.request("GET", format!("/v1/nodes/{node}/events"))).await
    }

    /// Reads a node's log behind an event, as a client that comes back, or from its beginning.
    pub(crate) async fn follow_behind(
        &self,
        node: &str,
        last_id: Option<&str>,
    ) -> Result<Result<EventStream, HttpResponse>> {
        let request = self.request("GET", format!("/v1/nodes/{node}/events?start=earliest"));
        let request = last_id.into_iter().fold(request, |it, id| it.header("Last-Event-ID", id));
        EventStream::open(self.port, &request).await
    }

    async fn publish_to(&self, path: String, event: &str) -> Result<HttpResponse> {
        let request = self.request("POST", path).header("Content-Type", "application/cloudevents+json");
        http_send(self.port, &HttpRequest { body: event.into(), ..request }).await
    }

    fn request(&self, method: &'static str, path: String) -> HttpRequest {
        let request = HttpRequest { method, path, ..HttpRequest::default() };
        request.header("Authorization", self.authorization.clone())
    }
}
