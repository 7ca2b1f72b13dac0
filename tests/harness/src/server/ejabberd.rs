//! The files of an ejabberd. Its own `ejabberdctl` is not used: it wants the system's folders and a node name.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};
use tokio::process::Command;

use super::XmppServer;
use super::setup::{Readiness, Setup, library_folder};

/// Printed when every account is there.
const READY: &str = "accounts are there";

pub(super) fn command(setup: &Setup) -> Result<Command> {
    let library =
        library_folder("ejabberd-", "ebin/ejabberd.app").context("ejabberd's modules are missing")?;
    let libraries = library.parent().context("a folder below /usr/lib has a parent")?;
    let folder = setup.folder.display();
    let mut command = setup.unprivileged("erl");
    command.current_dir(&setup.folder).env("HOME", &setup.folder).env("ERL_LIBS", libraries);
    // By default Erlang makes room for as many ports as the process may open files.
    command.env("ERL_MAX_PORTS", "4096").env("ERL_CRASH_DUMP_BYTES", "0");
    command.env("EJABBERD_CONFIG_PATH", setup.folder.join("ejabberd.yml"));
    command.env("EJABBERD_LOG_PATH", setup.log_path());
    command.args(["-noinput", "-mnesia", "dir"]).arg(format!("\"{folder}/database\""));
    command.args(["-s", "ejabberd", "-eval"]).arg(register_users(setup));
    Ok(command)
}

pub(super) fn readiness(setup: &Setup) -> Readiness {
    Readiness { log: setup.folder.join("ejabberd.output.log"), needle: READY }
}

pub(super) fn write_files(setup: &Setup) -> Result<()> {
    if let Some(pem) = &setup.component_tls {
        fs::write(setup.folder.join("component.pem"), pem)?;
    }
    Ok(fs::write(setup.folder.join("ejabberd.yml"), config(setup))?)
}

fn register_users(setup: &Setup) -> String {
    let mut expressions = String::new();
    for (name, password) in &setup.users {
        let host = XmppServer::HOST;
        write!(
            expressions,
            "ejabberd_auth:try_register(<<\"{name}\">>, <<\"{host}\">>, <<\"{password}\">>), "
        )
        .expect("writing to a String cannot fail");
    }
    format!("{expressions}io:format(\"{READY}~n\").")
}

fn config(setup: &Setup) -> String {
    let Setup { client_port, component_port, global_options, component_options, .. } = setup;
    let host = XmppServer::HOST;
    let tls = match setup.component_tls {
        None => String::new(),
        Some(_) => {
            format!("    tls: true\n    certfile: \"{}/component.pem\"\n", setup.folder.display())
        }
    };
    let offline = if setup.keeps_messages {
        "  mod_offline:\n    access_max_user_messages: max_user_offline_messages\n"
    } else {
        ""
    };
    let privileges = if setup.grants_privileges {
        "  mod_privilege:\n    roster:\n      get: all\n    presence:\n      managed_entity: all\n"
    } else {
        ""
    };
    let pushes = if setup.pushes { "  mod_push: {}\n" } else { "" };
    let websocket = setup.websocket_port.map_or_else(String::new, websocket_listener);
    let mut hosts = String::new();
    for (domain, secret) in &setup.components {
        write!(hosts, "      \"{domain}\":\n        password: \"{secret}\"\n")
            .expect("writing to a String cannot fail");
    }
    format!(
        r#"hosts:
  - "{host}"
loglevel: info
listen:
  -
    port: {client_port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    access: all
    shaper: none
  -
    port: {component_port}
    ip: "127.0.0.1"
    module: ejabberd_service
    global_routes: false
{component_options}{tls}    hosts:
{hosts}{websocket}
auth_method: internal
auth_password_format: plain
s2s_access: none
shaper_rules:
  max_user_offline_messages: 1000000
modules:
  mod_disco: {{}}
{offline}{privileges}{pushes}  mod_ping: {{}}
  mod_roster: {{}}
{global_options}"#
    )
}

fn websocket_listener(port: u16) -> String {
    format!(
        "  -\n    port: {port}\n    ip: \"127.0.0.1\"\n    module: ejabberd_http\n    \
         request_handlers:\n      /xmpp-websocket: ejabberd_http_ws\n"
    )
}
