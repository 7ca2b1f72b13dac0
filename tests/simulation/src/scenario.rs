use bus_domain::{BareJid, Limits};
use bus_engine::dispatcher::{DispatcherBounds, LaggingBounds};
use bus_engine::{EngineLimits, Settings};

use crate::Random;

/// What a run is like: drawn from its seed, and kept small, so that every bound is met and every spill happens.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Steps with faults, before everything comes to rest.
    pub steps: usize,
    /// Names of nodes.
    pub nodes: usize,
    /// Users beside the owner and the admin.
    pub users: usize,
    /// Processes on the one store. The first one delivers.
    pub instances: usize,
    /// Stanzas that the link holds.
    pub link_room: usize,
    /// How often the server takes stanzas.
    pub server_pace: usize,
    /// Recipients on one page.
    pub recipients_page: u32,
    /// Nodes on one page when delivery starts.
    pub resume_page: u32,
    /// Rows of deleted nodes that go in one step.
    pub reap_rows: u32,
    /// How likely trouble is, in percent of its usual rate.
    pub trouble: usize,
    /// How often delivery goes on.
    pub delivery_pace: usize,
    /// How often somebody goes away, so that notifications come back.
    pub absence: usize,
    /// Whether owners configure nodes, approve subscriptions and end them, and publishes make nodes.
    pub is_managed: bool,
    /// What each instance is started with.
    pub settings: Settings,
}

impl Scenario {
    /// Draws one.
    pub fn draw(random: &mut Random) -> Self {
        Self {
            steps: random.between(1_000, 4_000),
            nodes: random.between(1, 6),
            users: random.between(1, 5),
            instances: if random.percent(35) { 2 } else { 1 },
            link_room: random.pick(&[1, 3, 10, 30]),
            server_pace: random.pick(&[40, 200, 600]),
            recipients_page: to_u32(random.between(1, 3)),
            resume_page: to_u32(random.between(1, 2)),
            reap_rows: to_u32(random.between(1, 20)),
            trouble: random.pick(&[0, 50, 100, 100, 200]),
            delivery_pace: random.pick(&[500, 1_500, 3_000]),
            absence: random.pick(&[0, 10, 40]),
            is_managed: false,
            settings: Settings {
                limits: Limits {
                    node_subscriptions_per_jid_max: 2,
                    node_subscriptions_max: 8,
                    node_undelivered_events_max: random.pick(&[4, 20, 1_000_000]),
                    ..Limits::default()
                },
                engine: engine_limits(random),
                admins: [admin()].into(),
                ..Settings::default()
            },
        }
    }

    /// What the dispatcher may keep in memory.
    pub fn dispatcher_bounds(&self) -> DispatcherBounds {
        DispatcherBounds {
            nodes_max: self.settings.engine.cached_nodes_max,
            recipients_max: self.settings.engine.cached_recipients_max,
            lagging: LaggingBounds {
                subscriptions_max: self.settings.engine.lagging_subscriptions_max,
                window_events_max: self.settings.engine.lagging_window_events_max,
                quiet_ms: self.settings.engine.lagging_quiet_ms,
                backoff_ms_min: self.settings.engine.lagging_backoff_ms_min,
                backoff_ms_max: self.settings.engine.lagging_backoff_ms_max,
            },
        }
    }
}

/// Who counts as an owner everywhere.
pub(crate) fn admin() -> BareJid {
    BareJid::new("admin@example.org").expect("a constant address is valid")
}

fn engine_limits(random: &mut Random) -> EngineLimits {
    EngineLimits {
        queued_commands_max: random.between(6, 20),
        batch_events_max: random.between(1, 8),
        cached_nodes_max: random.pick(&[1, 1, 2, 4]),
        recent_bytes_max: random.pick(&[0, 400, 2_000]),
        log_page_events_max: to_u32(random.between(1, 3)),
        cached_recipients_max: random.between(1, 6),
        lagging_subscriptions_max: random.pick(&[1, 2, 1_000]),
        lagging_window_events_max: to_u32(random.between(1, 4)),
        lagging_quiet_ms: random.pick(&[0, 5, 30]),
        lagging_backoff_ms_min: random.pick(&[1, 10]),
        lagging_backoff_ms_max: 60,
        ..EngineLimits::default()
    }
}

fn to_u32(small: usize) -> u32 {
    u32::try_from(small).unwrap_or(u32::MAX)
}
