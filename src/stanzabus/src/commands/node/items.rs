use std::path::Path;

use bridge_grpc::v1;
use v1::list_items_request::Selection;

use crate::cli::ItemsArguments;
use crate::client::grpc::GrpcClient;
use crate::client::pubsub::PubsubUser;
use crate::client::{connect_grpc, connect_xmpp, output};
use crate::commands::tail::event_line;
use crate::failure::Failure;

/// Items asked for at once; the bus may give fewer.
const PAGE_ITEMS: u32 = 100;

/// `stanzabus node items`
pub(super) async fn run(config: &Path, arguments: ItemsArguments) -> Result<(), Failure> {
    let ItemsArguments { node, items_max, after, act_as } = arguments;
    if let Some(mut user) = connect_xmpp(config, &act_as).await? {
        let listed = over_xmpp(&mut user, &node, items_max, after).await;
        user.close().await;
        return listed;
    }
    let client = connect_grpc(config).await?;
    match (items_max, after) {
        (Some(newest), None) => newest_over_grpc(&client, node, newest).await,
        (items_max, after) => pages_over_grpc(&client, node, items_max, after.unwrap_or_default()).await,
    }
}

async fn newest_over_grpc(client: &GrpcClient, node: String, newest: u32) -> Result<(), Failure> {
    let request = v1::ListItemsRequest {
        node,
        selection: Some(Selection::Newest(newest)),
        ..v1::ListItemsRequest::default()
    };
    let answer = client.items(request).await?;
    if answer.truncated {
        output::status("items: the bus lists fewer at once; the oldest ones are left out");
    }
    answer.items.into_iter().try_for_each(|item| output::print_json(&event_line(item)))
}

async fn pages_over_grpc(
    client: &GrpcClient,
    node: String,
    items_max: Option<u32>,
    mut page_token: String,
) -> Result<(), Failure> {
    let mut left = items_max.unwrap_or(u32::MAX);
    while left > 0 {
        let page = v1::ItemPage { page_size: left.min(PAGE_ITEMS), page_token };
        let request = v1::ListItemsRequest {
            node: node.clone(),
            selection: Some(Selection::Page(page)),
            ..v1::ListItemsRequest::default()
        };
        let answer = client.items(request).await?;
        left = left.saturating_sub(u32::try_from(answer.items.len()).unwrap_or(u32::MAX));
        answer.items.into_iter().try_for_each(|item| output::print_json(&event_line(item)))?;
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(())
}

async fn over_xmpp(
    user: &mut PubsubUser,
    node: &str,
    items_max: Option<u32>,
    mut after: Option<String>,
) -> Result<(), Failure> {
    if let (Some(newest), None) = (items_max, &after) {
        let page = user.newest_items(node, newest).await?;
        return page.items.iter().try_for_each(output::print_json);
    }
    let mut left = items_max.unwrap_or(u32::MAX);
    while left > 0 {
        let page = user.items_after(node, after.as_deref(), left.min(PAGE_ITEMS)).await?;
        left = left.saturating_sub(u32::try_from(page.items.len()).unwrap_or(u32::MAX));
        page.items.iter().try_for_each(output::print_json)?;
        if page.items.is_empty() || page.last.is_none() {
            break;
        }
        after = page.last;
    }
    Ok(())
}
