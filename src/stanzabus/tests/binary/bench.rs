//! `stanzabus bench`: that it measures everything and leaves nothing behind. What it measures is nothing for a test.

use std::fs;

use serde_json::Value;

use crate::bus::Bus;

#[test]
fn the_benchmark_of_grpc_measures_everything_and_leaves_nothing_behind() {
    let bus = Bus::initialised();
    let _daemon = bus.serve();
    let arguments = ["--runs", "2", "--events", "1000", "--readers", "3", "--replayed", "2000"];
    let report = bench(&bus, "grpc", &arguments);
    let in_each_run = [
        "store alone",
        "publish",
        "bare gRPC stream",
        "from memory to one reader",
        "live to one reader",
        "live to many readers",
        "acknowledged by many durable subscriptions",
        "replay",
        "publish to delivery, p50",
        "publish to delivery, p99",
    ];
    check(&report, &in_each_run, &["resident memory that a replay adds"]);
    for ratio in report["ratios"].as_array().unwrap() {
        assert_eq!(ratio["values"].as_array().unwrap().len(), 2, "{ratio}");
    }
    assert_eq!(bus.run(&["node", "list"]).stdout, "", "its nodes are gone");
    assert_eq!(bus.run(&["sub", "list"]).stdout, "", "its subscriptions are gone");
}

#[test]
fn the_benchmark_of_pushes_measures_everything_and_leaves_nothing_behind() {
    let bus = Bus::empty();
    let report =
        bench(&bus, "push", &["--runs", "2", "--pushes", "1000", "--devices", "10", "--queued", "500"]);
    let once = ["connections, of all providers and runs", "resident memory that devices and jobs add"];
    check(&report, &["apns", "fcm", "webpush"], &once);
}

fn bench(bus: &Bus, what: &str, arguments: &[&str]) -> Value {
    let said = bus.run(&[&["bench", what, "--json", "bench.json"], arguments].concat());
    assert_eq!(said.status, Some(0), "{said:?}");
    let files: Vec<_> = fs::read_dir(bus.path("")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(files.iter().all(|file| !file.to_string_lossy().starts_with(".bench")), "{files:?}");
    serde_json::from_str(&fs::read_to_string(bus.path("bench.json")).unwrap()).unwrap()
}

fn check(report: &Value, in_each_run: &[&str], once: &[&str]) {
    let measurements = report["measurements"].as_array().unwrap();
    let names: Vec<_> = measurements.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert!(in_each_run.iter().chain(once).all(|name| names.contains(name)), "{names:?}");
    assert_eq!(names.len(), in_each_run.len() + once.len(), "{names:?}");
    for measurement in measurements {
        let values = measurement["values"].as_array().unwrap();
        let is_once = once.contains(&measurement["name"].as_str().unwrap());
        assert_eq!(values.len(), if is_once { 1 } else { 2 }, "{measurement}");
        // A process may have had the memory before.
        let least = if measurement["unit"] == "bytes" { -1.0 } else { 0.0 };
        assert!(values.iter().all(|value| value.as_f64().unwrap() > least), "{measurement}");
    }
}
