//! The files of a Prosody.

use std::fmt::Write;
use std::fs;

use anyhow::Result;
use tokio::process::Command;

use super::XmppServer;
use super::setup::Setup;

pub(super) fn command(setup: &Setup) -> Command {
    let mut command = setup.unprivileged("prosody");
    command.arg("-F").arg("--config").arg(setup.folder.join("prosody.cfg.lua"));
    command
}

pub(super) fn write_files(setup: &Setup) -> Result<()> {
    fs::write(setup.folder.join("prosody.cfg.lua"), config(setup))?;
    let accounts = setup.folder.join(XmppServer::HOST).join("accounts");
    fs::create_dir_all(&accounts)?;
    for (name, password) in &setup.users {
        let account = format!("return {{ [\"password\"] = \"{password}\"; }};\n");
        fs::write(accounts.join(format!("{name}.dat")), account)?;
    }
    Ok(())
}

fn config(setup: &Setup) -> String {
    let Setup { client_port, component_port, global_options, .. } = setup;
    // It loads its offline storage by itself.
    let offline = if setup.keeps_messages { "" } else { ", \"offline\"" };
    let (websocket, http) =
        if setup.websocket_port.is_some() { (", \"websocket\"", "") } else { ("", ", \"http\"") };
    let websocket_options = setup.websocket_port.map_or_else(String::new, websocket_options);
    let folder = setup.folder.display();
    let host = XmppServer::HOST;
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
modules_enabled = {{ "disco", "ping", "roster", "saslauth"{websocket} }}
modules_disabled = {{ "s2s", "tls"{http}{offline} }}
{websocket_options}
authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
{global_options}
VirtualHost "{host}"
"#
    );
    let modules = if setup.grants_privileges { "  modules_enabled = { \"privilege\" }\n" } else { "" };
    config.push_str(&match (setup.grants_privileges, setup.pushes) {
        (_, false) => modules.to_owned(),
        (true, true) => "  modules_enabled = { \"privilege\", \"cloud_notify\" }\n".to_owned(),
        (false, true) => "  modules_enabled = { \"cloud_notify\" }\n".to_owned(),
    });
    if setup.grants_privileges {
        let grants = "{ roster = \"get\", presence = \"managed_entity\" }";
        let entities = setup.components.iter().map(|(domain, _)| format!("[\"{domain}\"] = {grants}"));
        let entities: Vec<_> = entities.collect();
        writeln!(config, "  privileged_entities = {{ {} }}", entities.join(", "))
            .expect("writing to a String cannot fail");
    }
    for (domain, secret) in &setup.components {
        write!(config, "\nComponent \"{domain}\"\n  component_secret = \"{secret}\"\n{modules}")
            .expect("writing to a String cannot fail");
    }
    config
}

fn websocket_options(port: u16) -> String {
    format!(
        "http_ports = {{ {port} }}\nhttp_interfaces = {{ \"127.0.0.1\" }}\nhttps_ports = {{}}\n\
         http_default_host = \"{}\"\nconsider_websocket_secure = true\n",
        XmppServer::HOST
    )
}
