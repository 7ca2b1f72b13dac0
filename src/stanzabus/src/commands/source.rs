use std::path::Path;

use bridge_grpc::v1;
use serde::Serialize;

use super::sub::destination::{first_line, short};
use crate::cli::SourceCommand;
use crate::client::{connect_grpc, output};
use crate::failure::Failure;

/// `stanzabus source …`
pub(crate) async fn run(config: &Path, command: SourceCommand) -> Result<(), Failure> {
    let client = connect_grpc(config).await?;
    match command {
        SourceCommand::Create { source, node, uri, token_file } => {
            let bearer_token = first_line(token_file.as_deref())?;
            let wanted = v1::Source { name: source, node, uri, bearer_token, ..v1::Source::default() };
            output::print_json(&SourceLine::of(client.create_source(wanted).await?))
        }
        SourceCommand::List => {
            let mut page_token = String::new();
            loop {
                let page = client.sources_page(page_token).await?;
                for source in page.sources {
                    output::print_json(&SourceLine::of(source))?;
                }
                if page.next_page_token.is_empty() {
                    return Ok(());
                }
                page_token = page.next_page_token;
            }
        }
        SourceCommand::Show { source } => output::print_json(&SourceLine::of(client.source(&source).await?)),
        SourceCommand::Delete { source } => {
            client.delete_source(&source).await?;
            output::status(&format!("deleted {source}"));
            Ok(())
        }
    }
}

/// A source as one line.
#[derive(Serialize)]
struct SourceLine {
    source: String,
    owner: String,
    node: String,
    uri: String,
    /// Whether there is one: it is anything that the service understands.
    has_resume_token: bool,
    state: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
}

impl SourceLine {
    fn of(source: v1::Source) -> Self {
        let standing = source.standing.unwrap_or_else(|| v1::DestinationStanding {
            state: v1::DestinationState::Pending.into(),
            ..v1::DestinationStanding::default()
        });
        Self {
            source: source.name,
            owner: source.owner,
            node: source.node,
            uri: source.uri,
            has_resume_token: !source.resume_token.is_empty(),
            state: short(standing.state().as_str_name(), "DESTINATION_STATE_"),
            reason: standing.reason,
            since: standing.since_time.map(|time| time.to_string()),
            created_at: source.create_time.map(|time| time.to_string()),
        }
    }
}
