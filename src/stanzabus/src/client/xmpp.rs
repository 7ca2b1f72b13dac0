//! A session as an ordinary XMPP user, through tokio-xmpp.
//!
//! One connection: when it breaks the command fails. `tokio_xmpp::Client` would log in again for ever, also with a
//! wrong password, so this stands on the layer below it.

mod error;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt as _;
use jid::{BareJid, Jid};
use minidom::Element;
use sasl::common::Credentials;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_xmpp::Stanza;
use tokio_xmpp::client_login;
use tokio_xmpp::connect::{DnsConfig, ServerConnector, StartTlsServerConnector, TcpServerConnector};
use tokio_xmpp::error::AuthError;
use tokio_xmpp::parsers::iq::Iq;
use tokio_xmpp::parsers::message::Message;
use tokio_xmpp::parsers::presence::{Presence, Type as PresenceType};
use tokio_xmpp::parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};
use tokio_xmpp::stanzastream::{Connection, Event, StanzaStream, StreamEvent};
use tokio_xmpp::xmlstream::{StreamHeader, Timeouts};

use super::login::Login;

pub(crate) use error::XmppError;

/// The namespace of stanzas between a client and its server.
const CLIENT_NAMESPACE: &str = "jabber:client";
const PING_NAMESPACE: &str = "urn:xmpp:ping";
const LOGIN_TIME: Duration = Duration::from_secs(20);
const ANSWER_TIME: Duration = Duration::from_secs(30);
const CLOSE_TIME: Duration = Duration::from_secs(5);
/// Stanzas on their way in the library, in each direction.
const QUEUED_STANZAS_MAX: usize = 16;
/// Messages that came while an answer was awaited.
const WAITING_MESSAGES_MAX: usize = 10_000;

/// A user who is logged in.
pub(crate) struct XmppSession {
    stream: StanzaStream,
    jid: Jid,
    requests: u64,
    waiting: VecDeque<Message>,
    is_lost: bool,
}

impl XmppSession {
    /// Connects, logs in and binds a resource.
    pub(crate) async fn open(login: Login) -> Result<Self, XmppError> {
        let opening = async {
            let connection = connect(&login).await.map_err(|error| XmppError::login(&login, error))?;
            Self::bind(connection).await
        };
        timeout(LOGIN_TIME, opening).await.map_err(|_| XmppError::LoginTimeout { jid: login.jid.clone() })?
    }

    async fn bind(connection: Connection) -> Result<Self, XmppError> {
        let mut first = Some(connection);
        let mut unanswered: Option<oneshot::Sender<Connection>> = None;
        // Asked for another connection, it keeps the question open: the library would panic at a refusal.
        let mut stream = StanzaStream::new(
            Box::new(move |_, slot| match first.take() {
                Some(connection) => drop(slot.send(connection)),
                None => drop(unanswered.replace(slot)),
            }),
            QUEUED_STANZAS_MAX,
        );
        match stream.next().await {
            Some(Event::Stream(StreamEvent::Reset { bound_jid, .. })) => {
                Ok(Self { stream, jid: bound_jid, requests: 0, waiting: VecDeque::new(), is_lost: false })
            }
            _ => Err(XmppError::Lost),
        }
    }

    /// The user's address with its resource.
    pub(crate) fn jid(&self) -> &Jid {
        &self.jid
    }

    /// Becomes available: messages to the bare JID come here from now on.
    pub(crate) async fn send_presence(&mut self) -> Result<(), XmppError> {
        self.send(Presence::available().into()).await
    }

    /// Asks with `type='get'` and waits for the answer.
    pub(crate) async fn get(
        &mut self,
        to: &BareJid,
        what: &str,
        payload: Element,
    ) -> Result<Option<Element>, XmppError> {
        let id = self.next_id();
        let iq = Iq::Get { from: None, to: Some(to.clone().into()), id: id.clone(), payload };
        self.ask(to, what, id, iq).await
    }

    /// Asks with `type='set'` and waits for the answer.
    pub(crate) async fn set(
        &mut self,
        to: &BareJid,
        what: &str,
        payload: Element,
    ) -> Result<Option<Element>, XmppError> {
        let id = self.next_id();
        let iq = Iq::Set { from: None, to: Some(to.clone().into()), id: id.clone(), payload };
        self.ask(to, what, id, iq).await
    }

    /// The next message; waits for it. Cancel-safe.
    pub(crate) async fn next_message(&mut self) -> Result<Message, XmppError> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Ok(message);
            }
            let stanza = self.receive().await?;
            self.put_aside(stanza).await?;
        }
    }

    /// Those of the messages which have come that are wanted; the others go on waiting.
    pub(crate) fn take_messages(&mut self, is_wanted: impl Fn(&Message) -> bool) -> VecDeque<Message> {
        let (wanted, others) = std::mem::take(&mut self.waiting).into_iter().partition(is_wanted);
        self.waiting = others;
        wanted
    }

    /// Becomes unavailable and closes the stream.
    pub(crate) async fn close(mut self) {
        if self.is_lost {
            return;
        }
        let closing = async {
            self.send(Presence::new(PresenceType::Unavailable).into()).await?;
            self.stream.close().await;
            Ok::<_, XmppError>(())
        };
        // The command has done its work by now; a server that does not say good-bye changes nothing.
        let _ = timeout(CLOSE_TIME, closing).await;
    }

    async fn ask(
        &mut self,
        to: &BareJid,
        what: &str,
        id: String,
        iq: Iq,
    ) -> Result<Option<Element>, XmppError> {
        let asking = async {
            self.send(iq.into()).await?;
            loop {
                match self.receive().await? {
                    Stanza::Iq(Iq::Result { from, id: answered, payload, .. })
                        if answered == id && is_from(from.as_ref(), to) =>
                    {
                        return Ok(payload);
                    }
                    Stanza::Iq(Iq::Error { from, id: answered, error, .. })
                        if answered == id && is_from(from.as_ref(), to) =>
                    {
                        return Err(XmppError::refused(to, what, &error));
                    }
                    other => self.put_aside(other).await?,
                }
            }
        };
        timeout(ANSWER_TIME, asking)
            .await
            .unwrap_or_else(|_| Err(XmppError::NoAnswer { to: to.clone(), what: what.to_owned() }))
    }

    /// Keeps messages, answers requests, passes over the rest.
    async fn put_aside(&mut self, stanza: Stanza) -> Result<(), XmppError> {
        match stanza {
            Stanza::Message(_) if self.waiting.len() >= WAITING_MESSAGES_MAX => Err(XmppError::TooMany),
            Stanza::Message(message) => {
                self.waiting.push_back(message);
                Ok(())
            }
            Stanza::Iq(Iq::Get { from, id, payload, .. } | Iq::Set { from, id, payload, .. }) => {
                self.send(answer(from, id, &payload).into()).await
            }
            Stanza::Iq(_) | Stanza::Presence(_) => Ok(()),
        }
    }

    async fn send(&mut self, stanza: Stanza) -> Result<(), XmppError> {
        // The token would tell when the stanza is written; an answer tells more.
        timeout(ANSWER_TIME, self.stream.send(Box::new(stanza))).await.map_err(|_| XmppError::Lost)?;
        Ok(())
    }

    async fn receive(&mut self) -> Result<Stanza, XmppError> {
        match self.stream.next().await {
            Some(Event::Stanza(stanza)) => Ok(stanza),
            Some(Event::Stream(_)) | None => {
                self.is_lost = true;
                Err(XmppError::Lost)
            }
        }
    }

    fn next_id(&mut self) -> String {
        self.requests += 1;
        format!("stanzabus-{}", self.requests)
    }
}

/// Everything but the address must match already, so an answer from elsewhere is a forgery.
fn is_from(from: Option<&Jid>, to: &BareJid) -> bool {
    from.is_some_and(|from| from.resource().is_none() && from.to_bare() == *to)
}

/// RFC 6120 §8.2.3: every request is answered.
fn answer(from: Option<Jid>, id: String, request: &Element) -> Iq {
    if request.is("ping", PING_NAMESPACE) {
        return Iq::Result { from: None, to: from, id, payload: None };
    }
    let error =
        StanzaError::new(ErrorType::Cancel, DefinedCondition::ServiceUnavailable, "en", "not offered here");
    Iq::Error { from: None, to: from, id, error, payload: None }
}

async fn connect(login: &Login) -> Result<Connection, XmppError> {
    let domain = login.jid.domain().as_str();
    match login.server.resolve().await? {
        Some(address) if address.ip().to_canonical().is_loopback() => {
            match authenticate(TcpServerConnector(numeric(address)), login).await {
                // The server wants TLS on this machine too.
                Err(XmppError::Library(tokio_xmpp::Error::Auth(AuthError::NoMechanism))) => {
                    authenticate(StartTlsServerConnector(numeric(address)), login).await
                }
                other => other,
            }
        }
        Some(address) => authenticate(StartTlsServerConnector(numeric(address)), login).await,
        None => authenticate(StartTlsServerConnector(DnsConfig::srv_default_client(domain)), login).await,
    }
}

fn numeric(address: SocketAddr) -> DnsConfig {
    DnsConfig::addr(&address.to_string())
}

async fn authenticate<C: ServerConnector>(connector: C, login: &Login) -> Result<Connection, XmppError>
where
    C::Stream: 'static,
{
    let (stream, binding) =
        connector.connect(&login.jid, CLIENT_NAMESPACE, Timeouts::tight()).await.map_err(XmppError::from)?;
    let (features, stream) = stream.recv_features().await.map_err(tokio_xmpp::Error::from)?;
    let user = login.jid.node().map_or("", |node| node.as_str());
    let credentials = Credentials::default()
        .with_username(user)
        .with_password(login.password.as_str())
        .with_channel_binding(binding);
    let stream = client_login(stream, features.sasl_mechanisms, credentials).await?;
    let to = Some(login.jid.domain().as_str().into());
    let header = StreamHeader { to, from: None, id: None };
    let stream = stream.send_header(header).await.map_err(tokio_xmpp::Error::from)?;
    let (features, stream) = stream.recv_features().await.map_err(tokio_xmpp::Error::from)?;
    Ok(Connection { stream: stream.box_stream(), features, identity: login.jid.clone() })
}
