//! `STANZABUS_REGENERATE=1 cargo test --workspace -p stanzabus metrics` writes the documents' table anew.

use std::collections::BTreeSet;
use std::fs;

use bridge_grpc::GrpcStatistics;
use bus_engine::Statistics;

use super::*;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/metrics.md");

/// Nothing has happened yet.
fn nothing() -> Reading {
    Reading {
        engine: Statistics::default().snapshot(),
        link: LinkStatistics::default(),
        link_is_up: false,
        encodings: 0,
        grpc: GrpcStatistics::default().snapshot(),
        recent_bytes: 0,
        requests: RequestLoad::default(),
        pushes: PushReading::of_one_account(),
        resident_bytes: 0,
    }
}

fn families() -> Vec<MetricFamily> {
    Metric::ALL.iter().map(|metric| family::of(*metric, &nothing())).collect()
}

fn kind(family: &MetricFamily) -> String {
    format!("{:?}", family.get_field_type()).to_lowercase()
}

#[test]
fn every_metric_is_shown_with_its_help_and_its_type() {
    let text = TextEncoder::new().encode_to_string(&families()).unwrap();
    for metric in Metric::ALL {
        let (name, help) = (metric.name(), metric.help());
        assert!(text.contains(&format!("# HELP {name} {help}\n# TYPE {name} ")), "{name} in\n{text}");
        assert!(help.ends_with('.') && help.len() > 10, "{name}: {help}");
    }
    assert_eq!(text.matches("# TYPE ").count(), Metric::ALL.len());
}

#[test]
fn names_are_prefixed_and_unique() {
    let names: BTreeSet<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    // What every program has is named as every program names it.
    assert!(names.iter().all(|name| name.starts_with("stanzabus_") || name.starts_with("process_")));
    assert_eq!(names.len(), Metric::ALL.len());
}

#[test]
fn histograms_are_cumulative_and_times_are_in_seconds() {
    let mut reading = nothing();
    reading.engine.commit_us.counts[2] = 3;
    reading.engine.commit_us.counts[15] = 1;
    reading.engine.commit_us.sum = 90_003_000;
    let family = family::of(Metric::CommitSeconds, &reading);
    let text = TextEncoder::new().encode_to_string(&[family]).unwrap();
    for line in [
        "stanzabus_commit_seconds_bucket{le=\"0.0005\"} 0",
        "stanzabus_commit_seconds_bucket{le=\"0.001\"} 3",
        "stanzabus_commit_seconds_bucket{le=\"60\"} 3",
        "stanzabus_commit_seconds_bucket{le=\"+Inf\"} 4",
        "stanzabus_commit_seconds_sum 90.003",
        "stanzabus_commit_seconds_count 4",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line} in\n{text}");
    }
}

#[test]
fn the_documents_table_is_fresh() {
    let rows = families()
        .into_iter()
        .map(|family| format!("| `{}` | {} | {} |\n", family.name(), kind(&family), family.help()));
    let head = "# Metrics\n\nWhat `/metrics` shows. Made from `src/metrics/table.rs`; a test fails when it is stale.\n\n\
                | name | type | meaning |\n|---|---|---|\n";
    let fresh = head.to_owned() + &rows.collect::<String>();
    if std::env::var_os("STANZABUS_REGENERATE").is_some() {
        fs::write(DOCUMENT, &fresh).unwrap();
    }
    let committed = fs::read_to_string(DOCUMENT).unwrap_or_default();
    assert_eq!(committed, fresh, "write it anew with STANZABUS_REGENERATE=1");
}
