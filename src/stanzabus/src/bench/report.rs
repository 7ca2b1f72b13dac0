use serde::Serialize;
use serde_json::Value;

use crate::client::output;

/// What was measured, with every run's value.
#[derive(Serialize)]
pub(super) struct Report {
    version: &'static str,
    cores: usize,
    runs: u32,
    /// What was asked for.
    #[serde(flatten)]
    arguments: Value,
    measurements: Vec<Measurement>,
    ratios: Vec<Ratio>,
}

#[derive(Serialize)]
struct Measurement {
    name: &'static str,
    unit: Unit,
    /// In the order of the runs.
    values: Vec<f64>,
    median: f64,
}

/// The median of the quotients of each run.
#[derive(Serialize)]
struct Ratio {
    name: String,
    values: Vec<f64>,
    median: f64,
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    /// More is better.
    EventsPerSecond,
    /// More is better.
    PushesPerSecond,
    /// Less is better.
    Milliseconds,
    /// Less is better.
    Bytes,
    /// Less is better.
    Connections,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::EventsPerSecond => "events/s",
            Self::PushesPerSecond => "pushes/s",
            Self::Milliseconds => "ms",
            Self::Bytes => "bytes",
            Self::Connections => "connections",
        }
    }
}

impl Report {
    /// For so many runs with these arguments, a JSON object.
    pub(super) fn new(runs: u32, arguments: Value) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let version = env!("CARGO_PKG_VERSION");
        Self { version, cores, runs, arguments, measurements: Vec::new(), ratios: Vec::new() }
    }

    /// Adds the value of another run, and says so.
    pub(super) fn add(&mut self, name: &'static str, unit: Unit, value: f64) {
        let known = self.measurements.iter().position(|it| it.name == name);
        let at = known.unwrap_or_else(|| {
            self.measurements.push(Measurement { name, unit, values: Vec::new(), median: value });
            self.measurements.len() - 1
        });
        let measurement = &mut self.measurements[at];
        measurement.values.push(value);
        measurement.median = median(&measurement.values);
        let run = measurement.values.len();
        output::status(&format!("run {run} of {}: {name}: {value:.1} {}", self.runs, unit.as_str()));
    }

    /// Compares two measurements run by run.
    pub(super) fn add_ratio(&mut self, of: &str, to: &str) {
        let values = |name: &str| self.measurements.iter().find(|it| it.name == name).map(|it| &it.values);
        let (Some(of_values), Some(to_values)) = (values(of), values(to)) else { return };
        let values: Vec<f64> = of_values.iter().zip(to_values).map(|(of, to)| of / to).collect();
        self.ratios.push(Ratio { name: format!("{of} / {to}"), median: median(&values), values });
    }

    pub(super) fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("numbers and strings are JSON");
        text.push('\n');
        text
    }
}

/// The value in the middle; between two, their mean.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count.is_multiple_of(2) => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
        count => sorted[count / 2],
    }
}

/// The value that this part of all values does not exceed.
pub(super) fn percentile(sorted: &[f64], part: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into what was measured here"
    )]
    let index = (part * sorted.len() as f64).ceil() as usize;
    sorted[index.clamp(1, sorted.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, expected) in [(&[3.0][..], 3.0), (&[9.0, 1.0, 2.0], 2.0), (&[4.0, 1.0, 2.0, 9.0], 3.0)] {
            assert!((median(values) - expected).abs() < f64::EPSILON, "{values:?}");
        }
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        for (part, expected) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)] {
            assert!((percentile(&sorted, part) - expected).abs() < f64::EPSILON, "{part}");
        }
    }
}
