use harness::{Daemon, ScriptedServer, ServerKind, XmppServer};

use crate::peers::{DOMAIN, TO_US, XmppPeer, metric, on_script, on_server};

/// The hostile user.
pub(crate) const MALLORY: &str = "mallory@localhost";

/// A way from a hostile user to the daemon.
pub(crate) struct Route {
    pub(crate) daemon: Daemon,
    pub(crate) mallory: XmppPeer,
    /// The addresses that mallory's stanzas to the daemon carry.
    addresses: String,
    /// The server between, which runs for as long as the route is used.
    _server: (Option<XmppServer>, Option<ScriptedServer>),
}

impl Route {
    /// As an ordinary user of a real server.
    pub(crate) async fn through(kind: ServerKind) -> Self {
        let (server, daemon) = on_server(kind).await;
        let mallory = XmppPeer::user(&server, "mallory").await;
        Self { daemon, mallory, addresses: TO_US.to_owned(), _server: (Some(server), None) }
    }

    /// As a user of a server that passes everything on as it is.
    pub(crate) async fn through_anything() -> Self {
        let (server, daemon, mallory) = on_script().await;
        let addresses = format!("from='{MALLORY}/here' to='{DOMAIN}'");
        Self { daemon, mallory, addresses, _server: (None, Some(server)) }
    }

    /// Sends a stanza whose addresses stand for `ADDRESSES`, then a ping: what came before the ping's answer.
    pub(crate) async fn ask(&mut self, stanza: &str) -> Vec<bus_xml::Element> {
        let received = self.mallory.ask(&stanza.replace("ADDRESSES", &self.addresses), &self.addresses).await;
        self.assert_link_lives().await;
        received
    }

    /// The stream is the one that it was from the start.
    async fn assert_link_lives(&self) {
        assert_eq!(metric(&self.daemon, "stanzabus_link_up").await, 1);
        assert_eq!(metric(&self.daemon, "stanzabus_link_reconnects_total").await, 0);
    }
}
