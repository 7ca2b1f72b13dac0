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
    /// Values of the same meaning, by the values of these labels; the name tells whether they are counters or gauges.
    LabelledBy(&'static [&'static str], Vec<(Vec<String>, u64)>),
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
        Value::Number(number) => (MetricType::GAUGE, vec![gauge(number)]),
        Value::LabelledBy(names, numbers) => {
            let is_counter = metric.name().ends_with("_total");
            let labelled = |(values, number): (Vec<String>, u64)| {
                with_labels(names, values, if is_counter { counter(number) } else { gauge(number) })
            };
            let kind = if is_counter { MetricType::COUNTER } else { MetricType::GAUGE };
            (kind, numbers.into_iter().map(labelled).collect())
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

fn gauge(number: u64) -> Sample {
    let mut gauge = Gauge::default();
    gauge.set_value(float(number));
    with(|sample| sample.set_gauge(gauge))
}

fn with_label(name: &'static str, value: &str, sample: Sample) -> Sample {
    with_labels(&[name], vec![value.to_owned()], sample)
}

fn with_labels(names: &[&str], values: Vec<String>, mut sample: Sample) -> Sample {
    let label = |(name, value): (&&str, String)| {
        let mut label = LabelPair::default();
        label.set_name((*name).to_owned());
        label.set_value(value);
        label
    };
    sample.set_label(names.iter().zip(values).map(label).collect());
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
