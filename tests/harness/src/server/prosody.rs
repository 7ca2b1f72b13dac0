//! The text of `prosody.cfg.lua`.

use std::fmt::Write;

use super::Prosody;

impl Prosody {
    pub(super) fn config(&self) -> String {
        let Self { client_port, component_port, global_options, .. } = self;
        let folder = self.folder.path().display();
        let host = Self::HOST;
        let mut config = format!(
            r#"data_path = "{folder}"
pidfile = "{folder}/prosody.pid"
log = {{ debug = "{folder}/prosody.log" }}
certificates = "{folder}"

interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {client_port} }}
c2s_direct_tls_ports = {{}}
component_interfaces = {{ "127.0.0.1" }}
component_ports = {{ {component_port} }}
modules_enabled = {{ "disco", "ping", "roster", "saslauth" }}
modules_disabled = {{ "s2s", "tls", "http" }}

authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
{global_options}
VirtualHost "{host}"
"#
        );
        for (domain, secret) in &self.components {
            let component = format!("\nComponent \"{domain}\"\n  component_secret = \"{secret}\"\n");
            config.write_str(&component).expect("writing to a String cannot fail");
        }
        config
    }
}
