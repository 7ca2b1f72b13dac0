//! The files of a jabberd2: three processes around a router, which is also the port for components.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use super::XmppServer;
use super::setup::{Readiness, Setup, library_folder};
use crate::RawStream;
use crate::child::tail;

const PATIENCE: Duration = Duration::from_mins(1);

const NO_LIMITS: &str =
    "<io><max_fds>1024</max_fds><limits><bytes>0</bytes><stanzas>0</stanzas><connects>0</connects></limits>";

/// The chains of the session manager's modules, as in Debian's configuration, less what a test cannot need.
const MODULE_CHAINS: &[(&str, &[&str])] = &[
    ("in-sess", &["validate", "roster", "iq-ping", "disco", "offline", "presence", "deliver"]),
    ("in-router", &["session", "validate", "presence"]),
    ("pkt-sm", &["iq-ping", "disco", "presence"]),
    ("pkt-user", &["roster", "presence", "disco", "deliver", "offline"]),
    ("pkt-router", &["session", "disco"]),
    ("user-load", &["active", "roster"]),
    ("user-create", &["active"]),
    ("user-delete", &["active", "offline", "roster"]),
];

pub(super) fn commands(setup: &Setup) -> Vec<(&'static str, Command)> {
    let parts = ["jabberd2-router", "jabberd2-sm", "jabberd2-c2s"];
    let command = |part: &'static str| {
        let mut command = setup.unprivileged(part);
        command.arg("-c").arg(setup.folder.join(format!("{part}.xml")));
        (part, command)
    };
    parts.into_iter().map(command).collect()
}

pub(super) fn readiness(setup: &Setup) -> Readiness {
    Readiness { log: setup.folder.join("sm.log"), needle: "sm ready for sessions" }
}

pub(super) fn write_files(setup: &Setup) -> Result<()> {
    let modules = library_folder("jabberd2", "authreg_db.so").context("jabberd2's modules are missing")?;
    let (modules, folder) = (modules.display(), setup.folder.display());
    let Setup { client_port, component_port, .. } = setup;
    let host = XmppServer::HOST;
    let secret = setup.components.last().map_or("none", |(_, secret)| secret);
    for part in ["sm", "c2s"] {
        fs::create_dir_all(setup.folder.join("database").join(part))?;
    }
    // Apart from each other: two that open one Berkeley DB at once spoil it.
    let database = |part: &str| format!("<db><path>{folder}/database/{part}</path></db>");
    let to_router = format!(
        "<router><ip>127.0.0.1</ip><port>{component_port}</port><user>jabberd</user><pass>internal</pass>\
         <retry><init>20</init><lost>20</lost><sleep>1</sleep></retry></router>"
    );
    let log = |name: &str| format!("<log type='file'><file>{folder}/{name}.log</file></log>");
    let router = format!(
        "<router><id>router</id>{}<local><ip>127.0.0.1</ip><port>{component_port}</port>\
         <users>{folder}/router-users.xml</users><secret>{secret}</secret></local>\
         {NO_LIMITS}<access><order>allow,deny</order></access></io><aliases/>\
         <aci><acl type='all'><user>jabberd</user></acl></aci></router>",
        log("router")
    );
    let sm = format!(
        "<sm><id>sm</id>{to_router}{}<local><id>{host}</id></local>\
         <storage><path>{modules}</path><driver>db</driver>{}</storage><aci/>\
         <modules><path>{modules}</path>{}</modules><user><template/></user></sm>",
        log("sm"),
        database("sm"),
        module_chains()
    );
    let c2s = format!(
        "<c2s><id>c2s</id>{to_router}{}<local><id register-enable='true'>{host}</id><ip>127.0.0.1</ip>\
         <port>{client_port}</port></local>\
         {NO_LIMITS}<access><order>allow,deny</order></access></io>\
         <authreg><path>{modules}</path><module>db</module>\
         <mechanisms><sasl><plain/></sasl></mechanisms>{}</authreg></c2s>",
        log("c2s"),
        database("c2s")
    );
    let users = "<users><user><name>jabberd</name><secret>internal</secret></user></users>";
    for (name, text) in
        [("router-users", users), ("jabberd2-router", &router), ("jabberd2-sm", &sm), ("jabberd2-c2s", &c2s)]
    {
        fs::write(setup.folder.join(format!("{name}.xml")), text)?;
    }
    Ok(())
}

fn module_chains() -> String {
    let module = |name: &&str| format!("<module>{name}</module>");
    let chain = |(id, modules): &(&str, &[&str])| {
        format!("<chain id='{id}'>{}</chain>", modules.iter().map(module).collect::<String>())
    };
    MODULE_CHAINS.iter().map(chain).collect()
}

/// In-band registration (XEP-0077); an account that is there already is as good.
pub(super) async fn register_users(setup: &Setup) -> Result<()> {
    for (name, password) in &setup.users {
        let mut stream = RawStream::connect(setup.client_port).await?;
        stream.open_client_stream(XmppServer::HOST).await?;
        let account = format!("<username>{name}</username><password>{password}</password>");
        let query = format!("<query xmlns='jabber:iq:register'>{account}</query>");
        stream.send(format!("<iq type='set' id='register'>{query}</iq>")).await?;
        let is_answer = |text: &str| text.contains("<iq ") && text.contains("</iq>");
        let answer = stream.read_until(PATIENCE, is_answer).await;
        let answer = answer.with_context(|| tail(&setup.folder.join("c2s.log")))?;
        if !answer.contains("type='result'") && !answer.contains("<conflict") {
            bail!("no account {name}: {answer}");
        }
    }
    Ok(())
}
