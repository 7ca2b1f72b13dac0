//! XEP-0356: what the server lets us do in the name of its users. It says so once in the life of a stream, and again when
//! that changes.

use bus_xml::Element;

use crate::namespaces::PRIVILEGE;

/// What is granted. The newest announcement takes the place of those before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privileges {
    /// The version of the protocol in which it was announced, and in which it has to be used.
    pub namespace: &'static str,
    /// What may be done with rosters (§4).
    pub roster: RosterPermission,
    /// Whether messages may be sent as a user (§5).
    pub sends_messages: bool,
    /// Whose presence we are told (§7).
    pub presence: PresencePermission,
    /// The requests that may be made as a user (§6), at most 64.
    pub iqs: Vec<IqPermission>,
}

/// What may be done with rosters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RosterPermission {
    /// Whether they may be read.
    pub gets: bool,
    /// Whether they may be changed.
    pub sets: bool,
    /// Whether the server says that it tells of changes. Without a word the XEP would have it so; servers that say nothing
    /// tell of nothing.
    pub pushes: bool,
}

/// Whose presence the server tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresencePermission {
    /// Nobody's.
    None,
    /// That of its users.
    ManagedEntity,
    /// That of its users and of their contacts.
    Roster,
}

/// A namespace in which requests may be made as a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IqPermission {
    /// The namespace of the request.
    pub namespace: String,
    /// Whether requests that read may be made.
    pub gets: bool,
    /// Whether requests that change may be made.
    pub sets: bool,
}

/// Namespaces of requests that are kept.
const IQS_MAX: usize = 64;

/// Reads an announcement; `None` if the message is none. Who sent it is the caller's to check.
pub(crate) fn read(message: &Element) -> Option<Privileges> {
    if message.name() != "message" || message.attr("type") == Some("error") {
        return None;
    }
    let named = |namespace| message.get_child("privilege", namespace).map(|found| (namespace, found));
    let (namespace, announced) = PRIVILEGE.into_iter().find_map(named)?;
    let mut privileges = Privileges {
        namespace,
        roster: RosterPermission::default(),
        sends_messages: false,
        presence: PresencePermission::None,
        iqs: Vec::new(),
    };
    let mut permissions = announced.children().filter(|child| child.is("perm", namespace)).peekable();
    // Something else of the XEP's: a forwarded answer, or what servers send to users.
    permissions.peek()?;
    permissions.for_each(|permission| privileges.add(permission));
    Some(privileges)
}

impl Privileges {
    fn add(&mut self, permission: &Element) {
        let kind = permission.attr("type").unwrap_or("none");
        match permission.attr("access") {
            Some("roster") => {
                let (gets, sets) = gets_and_sets(kind);
                let pushes = gets && matches!(permission.attr("push"), Some("true" | "1"));
                self.roster = RosterPermission { gets, sets, pushes };
            }
            Some("message") => self.sends_messages = kind == "outgoing",
            Some("presence") => {
                self.presence = match kind {
                    "managed_entity" => PresencePermission::ManagedEntity,
                    "roster" => PresencePermission::Roster,
                    _ => PresencePermission::None,
                }
            }
            Some("iq") => {
                let namespaces = permission.children().filter(|child| child.is("namespace", self.namespace));
                self.iqs = namespaces.filter_map(iq_permission).take(IQS_MAX).collect();
            }
            _ => {}
        }
    }
}

fn iq_permission(namespace: &Element) -> Option<IqPermission> {
    let (gets, sets) = gets_and_sets(namespace.attr("type").unwrap_or("none"));
    let namespace = namespace.attr("ns")?.to_owned();
    (gets || sets).then_some(IqPermission { namespace, gets, sets })
}

fn gets_and_sets(kind: &str) -> (bool, bool) {
    (matches!(kind, "get" | "both"), matches!(kind, "set" | "both"))
}

#[cfg(test)]
mod tests {
    use bus_xml::{XmlLimits, parse_document};

    use super::*;

    fn read(content: &str) -> Option<Privileges> {
        let limits = XmlLimits { depth_max: 16, bytes_max: 10_000 };
        super::read(&parse_document(&format!("<message>{content}</message>"), limits).unwrap())
    }

    #[test]
    fn each_version_is_read_in_its_own_namespace() {
        for namespace in PRIVILEGE {
            let read = read(&format!(
                "<privilege xmlns='{namespace}'><perm access='roster' type='both'/>\
                 <perm access='message' type='outgoing'/><perm access='presence' type='managed_entity'/>\
                 <perm access='iq'><namespace ns='urn:a' type='get'/><namespace ns='urn:b' type='both'/>\
                 <namespace ns='urn:c' type='none'/></perm></privilege>"
            ));
            let iq = |name: &str, sets| IqPermission { namespace: name.to_owned(), gets: true, sets };
            let expected = Privileges {
                namespace,
                roster: RosterPermission { gets: true, sets: true, pushes: false },
                sends_messages: true,
                presence: PresencePermission::ManagedEntity,
                iqs: vec![iq("urn:a", false), iq("urn:b", true)],
            };
            assert_eq!(read, Some(expected));
        }
    }

    #[test]
    fn what_is_not_granted_by_name_is_not_granted() {
        let roster = |attributes: &str| {
            let perm = format!("<perm access='roster' {attributes}/>");
            let read = read(&format!("<privilege xmlns='urn:xmpp:privilege:2'>{perm}</privilege>")).unwrap();
            (read.roster.gets, read.roster.sets, read.roster.pushes)
        };
        assert_eq!(roster("type='none' push='true'"), (false, false, false));
        assert_eq!(roster(""), (false, false, false));
        assert_eq!(roster("type='set' push='true'"), (false, true, false));
        assert_eq!(roster("type='get'"), (true, false, false));
        assert_eq!(roster("type='get' push='true'"), (true, false, true));
        let presence =
            "<privilege xmlns='urn:xmpp:privilege:1'><perm access='presence' type='roster'/></privilege>";
        let read_presence = read(presence).unwrap();
        assert_eq!(
            (read_presence.presence, read_presence.sends_messages),
            (PresencePermission::Roster, false)
        );
    }

    #[test]
    fn other_messages_grant_nothing() {
        for content in [
            "<privilege xmlns='urn:xmpp:privilege:2'/>",
            "<privilege xmlns='urn:xmpp:privilege:3'><perm access='roster' type='both'/></privilege>",
            "<body>roster</body>",
        ] {
            assert_eq!(read(content), None, "{content}");
        }
    }
}
