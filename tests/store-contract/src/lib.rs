//! What every store must do, as one suite. A store's own test file calls [`suite!`] with a function that opens an
//! empty store; each case then is a test of that store.

#![expect(missing_docs, clippy::missing_panics_doc, reason = "the names of the cases are sentences")]

use bus_store::{PushStore, Store};

pub mod archive;
pub mod associations;
pub mod consumers;
pub mod cursors;
pub mod devices;
pub mod entities;
pub mod epochs;
pub mod events;
mod fixture;
pub mod idempotency;
pub mod inlets;
pub mod items;
pub mod lagging;
pub mod nodes;
pub mod populated;
pub mod presence;
pub mod push_jobs;
pub mod push_profiles;
pub mod relations;
pub mod retention;
pub mod sources;
pub mod subscriptions;
pub mod transactions;
pub mod usage;

/// An empty store, and what must live as long as it does.
pub struct OpenStore {
    /// The store.
    pub store: Box<dyn Store>,
    /// Its folder or database.
    pub guard: Box<dyn std::any::Any + Send>,
}

/// The same for what pushing asks of a store.
pub struct OpenPushStore {
    /// The store.
    pub store: Box<dyn PushStore>,
    /// Its folder or database.
    pub guard: Box<dyn std::any::Any + Send>,
}

/// A store of all of it: what push profiles read and move.
pub trait ProfiledStore: Store + PushStore {}

impl<S: Store + PushStore> ProfiledStore for S {}

/// The same for push profiles.
pub struct OpenProfiledStore {
    /// The store.
    pub store: Box<dyn ProfiledStore>,
    /// Its folder or database.
    pub guard: Box<dyn std::any::Any + Send>,
}

/// Makes one test per case of push profiles. `$open` is an async function that returns an [`OpenProfiledStore`].
#[macro_export]
macro_rules! profiles_suite {
    ($open:path) => {
        $crate::profiles_suite!($open;
            push_profiles: a_profile_comes_back_as_it_was_made_and_no_service_sees_it,
            push_profiles: a_cursor_and_its_jobs_move_together_and_only_under_the_fence,
            push_profiles: a_later_push_takes_the_place_of_one_that_nobody_has_claimed,
            push_profiles: profiles_that_are_behind_are_found_and_keep_the_log,
            push_profiles: a_new_configuration_takes_the_profile_from_whoever_has_it,
            push_profiles: a_profile_is_set_back_with_the_life_of_a_log,
            push_profiles: targets_are_found_by_owner_and_by_topic_with_their_languages,
        );
    };
    ($open:path; $($module:ident: $case:ident,)+) => {
        $(#[tokio::test]
        async fn $case() {
            let $crate::OpenProfiledStore { store, guard } = $open().await;
            $crate::$module::$case(&*store).await;
            drop((store, guard));
        })+
    };
}

/// Makes one test per case of what pushing asks of a store. `$open` is an async function that returns an [`OpenPushStore`].
#[macro_export]
macro_rules! push_suite {
    ($open:path) => {
        $crate::push_suite!($open;
            devices: a_device_comes_back_as_it_was_put,
            devices: a_token_is_of_one_device_at_a_time,
            devices: devices_are_paged_by_owner,
            devices: a_judgement_counts_for_the_registration_that_it_is_about,
            devices: devices_that_nobody_has_seen_are_removed_in_steps,
            inlets: an_inlet_comes_back_as_it_was_made_with_its_device,
            inlets: a_device_has_one_inlet_which_goes_with_it,
            inlets: inlets_are_paged_by_owner_and_removed,
            push_jobs: a_job_comes_back_as_it_was_enqueued,
            push_jobs: an_id_is_taken_once,
            push_jobs: a_claim_takes_what_is_due_and_nobody_else_gets_it_until_it_ends,
            push_jobs: a_claim_brings_the_devices_that_are_there,
            push_jobs: what_becomes_of_a_job_is_noted_once,
            push_jobs: a_late_settlement_changes_nothing,
            push_jobs: what_waits_can_be_cancelled,
            push_jobs: the_dead_are_paged_and_forgotten_in_time,
            push_jobs: queues_are_counted_by_lane,
            push_jobs: lanes_of_one_provider_share_nothing,
            push_jobs: the_dead_begin_anew_or_are_removed,
            push_jobs: what_has_expired_is_given_up_where_nobody_sends,
            push_jobs: many_jobs_are_one_statement,
        );
    };
    ($open:path; $($module:ident: $case:ident,)+) => {
        $(#[tokio::test]
        async fn $case() {
            let $crate::OpenPushStore { store, guard } = $open().await;
            $crate::$module::$case(&*store).await;
            drop((store, guard));
        })+
    };
}

/// The same for what collections and relationships ask of a store; the simulation, which has none, does without it.
#[macro_export]
macro_rules! collections_suite {
    ($open:path) => {
        $crate::suite!($open;
            associations: associations_are_seen_from_both_sides_until_they_end,
            associations: members_come_with_the_number_of_their_children,
            associations: the_graph_says_what_an_association_would_make_of_it,
            associations: a_feed_moves_only_from_where_it_was_seen,
            associations: feeds_are_paged_by_child,
            associations: a_node_waits_for_its_feeds,
            associations: a_feed_is_set_back_with_its_child,
            associations: a_savepoint_takes_back_what_came_behind_it,
            associations: events_of_collections_come_back_as_they_were_appended,
            relations: what_is_above_and_below_a_node_is_found_level_by_level,
            relations: rules_move_below_a_node_and_not_its_own,
            relations: a_deleted_node_waits_for_those_that_point_at_it,
        );
    };
}

/// The same for what durable subscriptions of services ask of a store; the simulation has none of these either.
#[macro_export]
macro_rules! consumers_suite {
    ($open:path) => {
        $crate::suite!($open;
            consumers: a_consumer_comes_back_as_it_was_made,
            consumers: those_with_destinations_are_found_and_say_how_they_stand,
            consumers: a_claim_is_held_by_one_until_it_lapses,
            sources: a_source_comes_back_as_it_was_made,
            sources: the_token_of_a_source_moves_with_its_transaction_and_under_its_fence,
            consumers: consumers_move_together_and_only_under_their_fences,
            consumers: a_dead_letter_and_its_event_are_one_transaction,
            consumers: what_is_leased_is_kept_and_goes_with_its_node_and_its_life,
        );
    };
}

/// Makes one test per case. `$open` is an async function that returns an [`OpenStore`].
#[macro_export]
macro_rules! suite {
    ($open:path) => {
        $crate::suite!($open;
            nodes: a_node_comes_back_as_it_was_made,
            nodes: a_name_is_taken_once,
            nodes: a_deleted_node_frees_its_name_and_keeps_its_number,
            nodes: where_a_node_has_moved_is_known_until_its_name_is_taken,
            nodes: the_oldest_moves_are_forgotten_first,
            nodes: listings_are_paged_by_name_with_the_viewers_standing,
            nodes: listings_are_of_the_types_that_are_asked_for,
            nodes: names_are_in_the_order_of_their_bytes,
            nodes: affiliations_are_set_and_removed,
            nodes: a_configuration_takes_the_place_of_another,
            events: events_come_back_as_they_were_appended,
            events: pages_of_the_log_are_bounded_in_count_and_bytes,
            events: heads_of_many_nodes_are_one_read,
            events: due_events_are_chained,
            archive: an_archive_reaches_as_far_back_as_the_log_and_the_newest_purge,
            archive: stretches_are_bounded_in_bytes_from_the_end_that_is_asked_for,
            archive: what_was_taken_back_is_empty_before_it_is_blanked,
            archive: times_of_commits_are_those_of_the_log,
            items: windows_lie_where_they_are_asked_for,
            items: windows_are_bounded_in_bytes,
            items: an_overwritten_item_is_the_newest,
            items: items_keep_their_places_by_creation_when_they_are_overwritten,
            items: an_item_that_was_taken_away_is_created_anew,
            items: the_oldest_items_go_first,
            items: the_oldest_items_are_named_before_they_go,
            items: items_are_found_by_id,
            items: the_newest_item_is_found_in_a_transaction,
            subscriptions: recipients_are_paged_with_their_standing,
            subscriptions: who_waits_for_approval_is_no_recipient,
            subscriptions: subscription_ids_are_never_used_again,
            subscriptions: existing_subscriptions_are_those_of_the_bare_address,
            subscriptions: options_come_back_as_they_were_set,
            subscriptions: leases_that_are_over_are_found,
            entities: what_an_entity_has_is_found_page_by_page,
            entities: what_an_entity_has_on_a_deleted_node_is_not_seen,
            entities: nodes_on_which_somebody_waits_are_found_for_their_owners,
            presence: subscriptions_that_hang_on_presence_are_found,
            presence: nodes_that_hang_on_presence_are_found,
            cursors: cursors_name_what_is_undelivered_and_never_move_back,
            cursors: pages_of_undelivered_nodes_say_where_the_next_one_starts,
            cursors: deleted_nodes_are_reaped_once_handed_over,
            cursors: reaping_comes_to_an_end_with_every_budget,
            epochs: an_end_without_closing_is_told_to_whoever_comes_next,
            epochs: commits_of_every_level_are_seen_at_once,
            epochs: relaxed_nodes_are_found_page_by_page,
            epochs: a_renewed_epoch_moves_both_versions_and_nothing_else_of_the_head,
            epochs: what_lies_beyond_a_life_that_ended_is_set_back_to_its_end,
            epochs: where_another_life_had_come_says_nothing_of_this_one,
            retention: trimming_keeps_what_items_point_at,
            retention: trimming_is_bounded_and_never_goes_back,
            retention: no_row_stays_behind_without_an_item,
            retention: expired_items_are_hidden_and_then_removed,
            retention: items_over_a_lowered_bound_go_step_by_step,
            retention: what_was_decided_on_other_rules_is_left_alone,
            retention: a_purge_is_one_mark_that_every_read_honours,
            retention: retracted_payloads_are_blanked_once_asked_for,
            retention: nodes_are_looked_at_in_pages,
            lagging: lagging_rows_are_added_moved_and_ended,
            lagging: rows_begin_where_there_are_none,
            lagging: failures_end_with_what_was_taken,
            lagging: failures_are_noted_on_what_was_seen,
            lagging: delivery_targets_are_those_that_are_asked_for,
            lagging: parked_subscriptions_are_no_recipients_until_they_are_revived,
            lagging: a_subscription_takes_its_lagging_rows_with_it,
            lagging: a_deleted_node_stays_while_somebody_lags,
            transactions: what_is_dropped_leaves_nothing_behind,
            transactions: heads_move_only_on_the_version_that_was_seen,
            transactions: committed_batches_are_found,
            transactions: a_node_that_is_gone_counts_as_locked_and_does_not_advance,
            transactions: a_batch_may_be_big,
            transactions: batches_of_many_nodes_are_one_statement_each,
            idempotency: requests_are_kept_under_their_names,
            idempotency: a_request_that_is_over_gives_its_name_up,
            idempotency: requests_are_forgotten_step_by_step,
            idempotency: a_request_is_kept_with_its_transaction_only,
            idempotency: requests_go_with_their_node,
            idempotency: a_transaction_sees_where_logs_end,
            usage: numbers_begin_at_zero_and_move,
            usage: what_is_dropped_is_not_counted,
            usage: subscriptions_that_go_with_their_node_are_taken_off,
        );
    };
    ($open:path; $($module:ident: $case:ident,)+) => {
        $(#[tokio::test]
        async fn $case() {
            let $crate::OpenStore { store, guard } = $open().await;
            $crate::$module::$case(&*store).await;
            drop((store, guard));
        })+
    };
}
