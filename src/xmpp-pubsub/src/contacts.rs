use crate::form::{encode_field, encode_form_type};
use crate::namespaces::DATA_FORMS;
use crate::xml::Xml;

/// XEP-0157 §3.
pub(crate) const SERVER_INFO: &str = "http://jabber.org/network/serverinfo";

/// Whom to ask about the service (XEP-0157), as URIs: `mailto:…`, `xmpp:…`, `https://…`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contacts {
    /// About abuse.
    pub abuse: Vec<String>,
    /// Who runs it.
    pub admin: Vec<String>,
    /// With praise and complaints.
    pub feedback: Vec<String>,
    /// To buy something.
    pub sales: Vec<String>,
    /// About security.
    pub security: Vec<String>,
    /// Where its state is told.
    pub status: Vec<String>,
    /// For help.
    pub support: Vec<String>,
}

impl Contacts {
    /// The fields of the form that have values, by their names.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        let Self { abuse, admin, feedback, sales, security, status, support } = self;
        let all = [
            ("abuse-addresses", abuse),
            ("admin-addresses", admin),
            ("feedback-addresses", feedback),
            ("sales-addresses", sales),
            ("security-addresses", security),
            ("status-addresses", status),
            ("support-addresses", support),
        ];
        all.into_iter()
            .map(|(var, addresses)| (var, &addresses[..]))
            .filter(|(_, addresses)| !addresses.is_empty())
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields().next().is_none()
    }

    /// Writes them, if there are any, as a form of extended information (XEP-0128).
    pub(crate) fn encode(&self, out: &mut Xml) {
        if self.is_empty() {
            return;
        }
        out.start_in("x", DATA_FORMS).attribute("type", "result");
        encode_form_type(SERVER_INFO, out);
        for (var, addresses) in self.fields() {
            encode_field(var, "list-multi", addresses, out);
        }
        out.end();
    }
}
