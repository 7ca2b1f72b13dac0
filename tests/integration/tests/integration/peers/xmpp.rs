use bus_xml::{Element, XmlLimits, parse_document};
use harness::{RawStream, XmppServer};

use super::{DOMAIN, PASSWORD, PATIENCE};

/// Far above what any test sends.
const LIMITS: XmlLimits = XmlLimits { depth_max: 100, bytes_max: 8 << 20 };

/// Somebody who writes text and reads stanzas: a user, a component, or a server towards a component.
pub(crate) struct XmppPeer {
    stream: RawStream,
    /// Whole stanzas that came and were not taken.
    received: Vec<Element>,
    questions: u32,
}

/// What a stanza is, as far as the tests tell stanzas apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StanzaKind {
    /// An IQ result with this id.
    Result(Option<String>),
    /// An IQ error with this id and condition.
    Error(Option<String>, String),
    /// Anything else, as text.
    Other(String),
}

impl XmppPeer {
    /// Somebody on a stream that is open.
    pub(crate) fn new(stream: RawStream) -> Self {
        Self { stream, received: Vec::new(), questions: 0 }
    }

    /// A user of the server's, logged in and not available.
    pub(crate) async fn user(server: &XmppServer, name: &str) -> Self {
        Self::user_at(server.client_port(), name).await
    }

    /// A user of the server on this loopback port, logged in and not available.
    pub(crate) async fn user_at(port: u16, name: &str) -> Self {
        let login = RawStream::login(port, XmppServer::HOST, name, PASSWORD, "here").await;
        Self::new(login.expect("the user may log in"))
    }

    /// Writes.
    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.send(text).await.expect("the other side listens");
    }

    /// Reads whole stanzas until `enough` holds for those since the last call. Each is read once, however many come.
    pub(crate) async fn receive_until(&mut self, enough: impl Fn(&[Element]) -> bool) -> Vec<Element> {
        while !enough(&self.received) {
            let are_some = |text: &str| stanzas(text).is_some_and(|stanzas| !stanzas.is_empty());
            let read = self.stream.read_until(PATIENCE, are_some).await;
            let text =
                read.unwrap_or_else(|error| panic!("it comes: {error:#}; before: {:?}", self.received));
            self.received.extend(stanzas(&text).expect("it was just read"));
        }
        std::mem::take(&mut self.received)
    }

    /// Sends `text` and then a ping to `addresses`: returns all that came before the ping's answer. A sender's
    /// requests are answered in order, so nothing that answers `text` is still to come.
    ///
    /// White space stands behind it: an expat that defers reparsing (since 2.6, and in the security fixes of Debian 12)
    /// puts a tag that came in several reads off until as many bytes again have come, and the ping with it.
    pub(crate) async fn ask(&mut self, text: &str, addresses: &str) -> Vec<Element> {
        self.questions += 1;
        let id = format!("then-{}", self.questions);
        self.send(format!("{text}{}{}", ping(addresses, &id), " ".repeat(text.len()))).await;
        let is_last = |stanza: &Element| stanza.attr("id") == Some(&id);
        let mut received = self.receive_until(|stanzas| stanzas.iter().any(is_last)).await;
        let at = received.iter().position(is_last).expect("it was just seen");
        assert_eq!(kind_of(&received.remove(at)), StanzaKind::Result(Some(id)), "the ping is answered");
        received
    }

    /// As [`Self::ask`], for a user: sends an IQ to the daemon and returns its one answer.
    pub(crate) async fn request(&mut self, kind: &str, child: &str) -> Element {
        let iq = format!("<iq type='{kind}' to='{DOMAIN}' id='request'>{child}</iq>");
        let mut answers = self.ask(&iq, &format!("to='{DOMAIN}'")).await;
        answers.retain(|stanza| stanza.attr("id") == Some("request"));
        assert_eq!(answers.len(), 1, "one answer to {iq}");
        answers.remove(0)
    }

    /// Subscribes `jid` as its user.
    pub(crate) async fn subscribe(&mut self, node: &str, jid: &str) {
        let subscribe = format!(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='{node}' jid='{jid}'/></pubsub>"
        );
        let answer = self.request("set", &subscribe).await;
        assert_eq!(answer.attr("type"), Some("result"), "{answer:?}");
    }

    /// Gives the stream back, to close it or to see it closed.
    pub(crate) fn into_stream(self) -> RawStream {
        self.stream
    }
}

/// A ping with this id and these addresses.
pub(crate) fn ping(addresses: &str, id: &str) -> String {
    format!("<iq type='get' {addresses} id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>")
}

/// What a stanza is.
pub(crate) fn kind_of(stanza: &Element) -> StanzaKind {
    let id = stanza.attr("id").map(str::to_owned);
    match (stanza.name(), stanza.attr("type")) {
        ("iq", Some("result")) => StanzaKind::Result(id),
        ("iq", Some("error")) => StanzaKind::Error(id, error_condition(stanza)),
        _ => StanzaKind::Other(bus_xml::serialise(stanza)),
    }
}

/// The defined condition of a stanza error (RFC 6120 §8.3.3).
fn error_condition(stanza: &Element) -> String {
    let error = stanza.children().find(|child| child.name() == "error");
    let condition = error
        .into_iter()
        .flat_map(Element::children)
        .find(|child| child.ns() == "urn:ietf:params:xml:ns:xmpp-stanzas" && child.name() != "text");
    condition.map_or("no condition", Element::name).to_owned()
}

/// The stanzas in a text that ends between two of them.
pub(crate) fn stanzas(text: &str) -> Option<Vec<Element>> {
    let namespaces = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'";
    let all = parse_document(&format!("<all {namespaces}>{text}</all>"), LIMITS).ok()?;
    Some(all.children().cloned().collect())
}
