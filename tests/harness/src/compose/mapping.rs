//! From containers to this machine.

use std::path::Path;

use super::ComposeFile;
use crate::free_port;

/// The ports that the services listen on.
const PORTS: [u16; 5] = [5222, 5347, 5432, 9464, 50051];

/// What stands in `compose.yaml` and what takes its place when no container runs. It is applied to each command, each
/// value in an environment, and each health check:
///
/// | in a container | here |
/// |---|---|
/// | `/opt/stanzabus/…` | this repository |
/// | `/run/secrets/NAME` | the same secret, made in a temporary folder by `examples/compose/make-secrets` |
/// | the path of a volume | a temporary folder |
/// | `SERVICE:PORT` | `127.0.0.1:PORT`, the port as below |
/// | `0.0.0.0` | `127.0.0.1` |
/// | a port of [`PORTS`] | a free port |
#[derive(Debug)]
pub(super) struct Mapping {
    hosts: Vec<(String, String)>,
    paths: Vec<(String, String)>,
    ports: Vec<(u16, u16)>,
}

impl Mapping {
    pub(super) fn new(file: &ComposeFile, folder: &Path) -> Self {
        let below = |name: &str| folder.join(name).display().to_string();
        let mut hosts = vec![("0.0.0.0".to_owned(), "127.0.0.1".to_owned())];
        let mut paths = vec![
            ("/opt/stanzabus".to_owned(), super::root().display().to_string()),
            ("/run/secrets".to_owned(), below("secrets")),
        ];
        for (name, service) in &file.services {
            hosts.extend(PORTS.map(|port| (format!("{name}:{port}"), format!("127.0.0.1:{port}"))));
            let volumes = service.volumes.iter().filter_map(|volume| volume.split_once(':'));
            paths.extend(volumes.map(|(volume, path)| (path.to_owned(), below(volume))));
        }
        Self { hosts, paths, ports: PORTS.map(|port| (port, free_port())).into() }
    }

    /// The port that stands for a container's.
    pub(super) fn port(&self, port: u16) -> Option<u16> {
        self.ports.iter().find(|(inside, _)| *inside == port).map(|(_, here)| *here)
    }

    pub(super) fn apply(&self, text: &str) -> String {
        let texts = self.hosts.iter().fold(text.to_owned(), |mapped, (from, to)| mapped.replace(from, to));
        self.paths.iter().fold(self.apply_ports(&texts), |mapped, (from, to)| mapped.replace(from, to))
    }

    /// Replaces whole numbers that are ports.
    fn apply_ports(&self, text: &str) -> String {
        let mut mapped = String::new();
        let mut number = String::new();
        for character in text.chars().chain(['\0']) {
            if character.is_ascii_digit() {
                number.push(character);
                continue;
            }
            let port = number.parse().ok().and_then(|port| self.port(port));
            mapped.push_str(&port.map_or(number.clone(), |port| port.to_string()));
            number.clear();
            mapped.push(character);
        }
        mapped.pop();
        mapped
    }
}
