//! A value as the text format wants it.

use bus_engine::HistogramSnapshot;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, Metric as Sample, MetricFamily, MetricType};

use super::{Metric, Reading};

/// What a metric shows.
#[derive(Debug)]
pub(super) enum Value {
    /// A counter or a gauge; the name tells which.
    Number(u64),
    /// A histogram of sizes.
    Sizes(HistogramSnapshot),
    /// A histogram of microseconds, shown in seconds.
    Seconds(HistogramSnapshot),
}

/// The metric with its value.
pub(super) fn of(metric: Metric, reading: &Reading) -> MetricFamily {
    let (kind, sample) = match metric.value(reading) {
        Value::Number(number) if metric.name().ends_with("_total") => {
            let mut counter = Counter::default();
            counter.set_value(float(number));
            (MetricType::COUNTER, with(|sample| sample.set_counter(counter)))
        }
        Value::Number(number) => {
            let mut gauge = Gauge::default();
            gauge.set_value(float(number));
            (MetricType::GAUGE, with(|sample| sample.set_gauge(gauge)))
        }
        Value::Sizes(snapshot) => histogram(&snapshot, 1.0),
        Value::Seconds(snapshot) => histogram(&snapshot, 1_000_000.0),
    };
    let mut family = MetricFamily::default();
    family.set_name(metric.name().to_owned());
    family.set_help(metric.help().to_owned());
    family.set_field_type(kind);
    family.set_metric(vec![sample]);
    family
}

fn histogram(snapshot: &HistogramSnapshot, per_unit: f64) -> (MetricType, Sample) {
    let mut below = 0;
    let buckets = snapshot.bounds.iter().zip(snapshot.counts).map(|(bound, count)| {
        below += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(float(*bound) / per_unit);
        bucket.set_cumulative_count(below);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(snapshot.count());
    histogram.set_sample_sum(float(snapshot.sum) / per_unit);
    (MetricType::HISTOGRAM, with(|sample| sample.set_histogram(histogram)))
}

fn with(set: impl FnOnce(&mut Sample)) -> Sample {
    let mut sample = Sample::default();
    set(&mut sample);
    sample
}

#[expect(clippy::cast_precision_loss, reason = "the text format knows floating point only")]
fn float(number: u64) -> f64 {
    number as f64
}
