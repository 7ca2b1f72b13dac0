use std::path::Path;

use bridge_grpc::v1;
use serde::Serialize;

use crate::cli::DeadLetterCommand;
use crate::client::{connect_grpc, output};
use crate::failure::Failure;

/// `stanzabus dead-letter …`
pub(crate) async fn run(config: &Path, command: DeadLetterCommand) -> Result<(), Failure> {
    let client = connect_grpc(config).await?;
    match command {
        DeadLetterCommand::List { subscription } => {
            let mut page_token = String::new();
            loop {
                let page = client.dead_letters(&subscription, page_token).await?;
                for letter in page.dead_letters {
                    output::print_json(&LetterLine::of(letter))?;
                }
                if page.next_page_token.is_empty() {
                    return Ok(());
                }
                page_token = page.next_page_token;
            }
        }
        DeadLetterCommand::Redrive { subscription, item_ids } => {
            let redriven = client.redrive(v1::RedriveDeadLettersRequest { subscription, item_ids }).await?;
            let v1::RedriveDeadLettersResponse { redriven, gone_item_ids } = redriven;
            output::print_json(&RedrivenLine { redriven, gone_item_ids })
        }
    }
}

/// A dead letter as one line.
#[derive(Serialize)]
struct LetterLine {
    item_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_since: Option<String>,
    node: String,
    epoch: String,
    seq: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    event_item_id: String,
    publisher: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_at: Option<String>,
    attempts: u32,
    reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    payload: String,
}

/// What was handed out again.
#[derive(Serialize)]
struct RedrivenLine {
    redriven: u32,
    /// Letters that stay, because their events are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gone_item_ids: Vec<String>,
}

impl LetterLine {
    fn of(letter: v1::DeadLetter) -> Self {
        Self {
            item_id: letter.item_id,
            dead_since: letter.dead_letter_time.map(|time| time.to_string()),
            node: letter.node,
            epoch: output::epoch_text(letter.epoch),
            seq: letter.seq,
            event_item_id: letter.event_item_id,
            publisher: letter.publisher,
            published_at: letter.publish_time.map(|time| time.to_string()),
            attempts: letter.attempts,
            reason: letter.reason,
            payload: letter.xml,
        }
    }
}
