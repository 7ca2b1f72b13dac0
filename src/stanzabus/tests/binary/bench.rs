//! `stanzabus bench`: that it measures everything and leaves nothing behind. What it measures is nothing for a test.

use std::fs;

use serde_json::Value;

use crate::bus::Bus;

#[test]
fn the_benchmark_measures_everything_and_leaves_nothing_behind() {
    let bus = Bus::initialised();
    let _daemon = bus.serve();
    let arguments = ["--runs", "2", "--events", "1000", "--readers", "3", "--json", "bench.json"];
    let said = bus.run(&[&["bench", "grpc"], &arguments[..]].concat());
    assert_eq!(said.status, Some(0), "{said:?}");

    let report: Value = serde_json::from_str(&fs::read_to_string(bus.path("bench.json")).unwrap()).unwrap();
    let measurements = report["measurements"].as_array().unwrap();
    let names: Vec<_> = measurements.iter().map(|it| it["name"].as_str().unwrap()).collect();
    let expected = [
        "store alone",
        "publish",
        "bare gRPC stream",
        "live to one reader",
        "live to many readers",
        "replay",
        "publish to delivery, p50",
        "publish to delivery, p99",
    ];
    assert_eq!(names, expected);
    for measurement in measurements.iter().chain(report["ratios"].as_array().unwrap()) {
        let values = measurement["values"].as_array().unwrap();
        assert_eq!(values.len(), 2, "one for each run: {measurement}");
        assert!(values.iter().all(|value| value.as_f64().unwrap() > 0.0), "{measurement}");
    }
    assert_eq!(bus.run(&["node", "list"]).stdout, "", "its nodes are gone");
    let files: Vec<_> = fs::read_dir(bus.path("")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(files.iter().all(|file| !file.to_string_lossy().starts_with(".bench")), "{files:?}");
}
