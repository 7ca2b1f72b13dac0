//! A value as the text format wants it.

use bus_engine::HistogramSnapshot;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric as Sample, MetricFamily, MetricType,
};

use super::{Metric, Reading};

/// What a metric shows.
#[derive(Debug)]
pub(super) enum Value {
    /// A counter or a gauge; the name tells which.
    Number(u64),
    /// Counters of the same meaning, by the values of this label.
    Labelled(&'static str, Vec<(&'static str, u64)>),
    /// A histogram of sizes.
    Sizes(HistogramSnapshot),
    /// A histogram of microseconds, shown in seconds.
    Seconds(HistogramSnapshot),
}

/// The metric with its value.
pub(super) fn of(metric: Metric, reading: &Reading) -> MetricFamily {
    let (kind, samples) = match metric.value(reading) {
        Value::Number(number) if metric.name().ends_with("_total") => {
            (MetricType::COUNTER, vec![counter(number)])
        }
        Value::Labelled(label, numbers) => {
            let labelled = |(value, number)| with_label(label, value, counter(number));
            (MetricType::COUNTER, numbers.into_iter().map(labelled).collect())
        }
        Value::Number(number) => {
            let mut gauge = Gauge::default();
            gauge.set_value(float(number));
            (MetricType::GAUGE, vec![with(|sample| sample.set_gauge(gauge))])
        }
        Value::Sizes(snapshot) => histogram(&snapshot, 1.0),
        Value::Seconds(snapshot) => histogram(&snapshot, 1_000_000.0),
    };
    let mut family = MetricFamily::default();
    family.set_name(metric.name().to_owned());
    family.set_help(metric.help().to_owned());
    family.set_field_type(kind);
    family.set_metric(samples);
    family
}

fn histogram(snapshot: &HistogramSnapshot, per_unit: f64) -> (MetricType, Vec<Sample>) {
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
    (MetricType::HISTOGRAM, vec![with(|sample| sample.set_histogram(histogram))])
}

fn counter(number: u64) -> Sample {
    let mut counter = Counter::default();
    counter.set_value(float(number));
    with(|sample| sample.set_counter(counter))
}

fn with_label(name: &str, value: &str, mut sample: Sample) -> Sample {
    let mut label = LabelPair::default();
    label.set_name(name.to_owned());
    label.set_value(value.to_owned());
    sample.set_label(vec![label]);
    sample
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
