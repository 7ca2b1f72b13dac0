//! `stanzabus init`: a commented configuration, a secret and a token.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bus_admission::{check_address, token_sha256_hex};
use bus_engine::{IdSource as _, SystemIds};
use jid::BareJid;
use xmpp_component::ServerAddress;

use crate::cli::InitArguments;
use crate::client::output;
use crate::config::{holds_password, parent_domain, parse_store_url};
use crate::failure::Failure;

const SECRET_FILE: &str = "stanzabus.secret";
const TOKEN_FILE: &str = "stanzabus.token";
const TEMPLATE: &str = include_str!("init/stanzabus.toml");
const SERVER_LINES: &str = include_str!("init/server-lines.txt");

/// Writes the three files and prints what the XMPP server's configuration needs.
pub(crate) fn run(config: &Path, arguments: &InitArguments) -> Result<(), Failure> {
    let answers = Answers::check(config, arguments)?;
    let secret = random_hex();
    let token = random_hex();
    let folder = config.parent().unwrap_or(Path::new(""));
    let config_mode = if holds_password(&arguments.store) { 0o600 } else { 0o644 };
    let files = [
        (folder.join(SECRET_FILE), format!("{secret}\n"), 0o600),
        (folder.join(TOKEN_FILE), format!("{token}\n"), 0o600),
        (config.to_owned(), answers.fill(TEMPLATE, &secret, &token), config_mode),
    ];
    if !arguments.force {
        refuse_to_overwrite(files.iter().map(|(path, ..)| path))?;
    }
    for (path, content, mode) in &files {
        write(path, content, *mode, arguments.force)?;
        output::status(&format!("wrote {}", path.display()));
    }
    output::print_line(answers.fill(SERVER_LINES, &secret, &token).trim_end())
}

/// What the templates are filled with.
struct Answers {
    domain: String,
    parent: String,
    server: String,
    port: u16,
    store: String,
    grpc: String,
    http: String,
}

impl Answers {
    fn check(config: &Path, arguments: &InitArguments) -> Result<Self, Failure> {
        let usage = |message: String| Failure::Usage(message);
        let domain = BareJid::new(&arguments.domain)
            .ok()
            .filter(|jid| jid.node().is_none())
            .ok_or_else(|| usage(format!("--domain: {:?} is not a domain", arguments.domain)))?;
        let parent = parent_domain(&domain).ok_or_else(|| {
            usage(format!(
                "--domain: a component has a subdomain of its server's, for example events.{domain}"
            ))
        })?;
        let server = ServerAddress::parse(&arguments.server, false)
            .map_err(|error| usage(format!("--server: {error}")))?;
        check_address("gRPC", "grpc", arguments.grpc_listen, false)
            .map_err(|error| usage(format!("--grpc-listen: {error}")))?;
        parse_store_url(&arguments.store, config.parent().unwrap_or(Path::new("")))?;
        Ok(Self {
            parent: parent.to_owned(),
            domain: domain.to_string(),
            port: server.port(),
            server: server.to_string(),
            // In TOML's own quotes, because a path may hold anything.
            store: toml::Value::String(arguments.store.clone()).to_string(),
            grpc: arguments.grpc_listen.to_string(),
            http: arguments.http_listen.to_string(),
        })
    }

    fn fill(&self, template: &str, secret: &str, token: &str) -> String {
        template
            .replace("@DOMAIN@", &self.domain)
            .replace("@PARENT@", &self.parent)
            .replace("@SERVER@", &self.server)
            .replace("@PORT@", &self.port.to_string())
            .replace("@GRPC@", &self.grpc)
            .replace("@HTTP@", &self.http)
            .replace("@SECRET@", secret)
            .replace("@TOKEN_SHA256@", &token_sha256_hex(token))
            .replace("\"@STORE@\"", &self.store)
    }
}

fn refuse_to_overwrite<'a>(mut paths: impl Iterator<Item = &'a PathBuf>) -> Result<(), Failure> {
    match paths.find(|path| path.exists()) {
        None => Ok(()),
        Some(path) => Err(Failure::Usage(format!(
            "{} is there already; name another file with --config, or replace it with --force",
            path.display()
        ))),
    }
}

/// A file that only its owner may read is made so, and is never readable in between.
pub(crate) fn write(path: &Path, content: &str, mode: u32, replace: bool) -> Result<(), Failure> {
    let failed = |source| Failure::Unwritable { path: path.to_owned(), source };
    if replace {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    let mut file: File =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(content.as_bytes()).map_err(failed)
}

/// 256 bits, in digits that every configuration syntax takes.
pub(crate) fn random_hex() -> String {
    let half = || u128::from_be_bytes(SystemIds.random_bytes());
    format!("{:032x}{:032x}", half(), half())
}
