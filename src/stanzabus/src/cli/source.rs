//! `stanzabus source`.

use std::path::PathBuf;

use clap::Subcommand;

/// `stanzabus source …`
#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Have the daemon read the gRPC service `stanzabus.v1.SourceService` at an https URL into a node, as you. Prints the source as
    /// JSON.
    Create {
        /// Its name: printable ASCII without spaces.
        source: String,
        /// The node that its events are published on.
        node: String,
        /// Where it is.
        uri: String,
        /// Send the token in the first line of this file, as `authorization: Bearer`.
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
    },
    /// Print your sources, one JSON object per line; everybody's, for an admin.
    List,
    /// Print a source as JSON.
    Show {
        /// The source.
        source: String,
    },
    /// Remove a source; what it has published stays.
    Delete {
        /// The source.
        source: String,
    },
}
