//! What all groups have in common: the clock, and the shape of a row.

use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use sockeye_benches::thread_cpu_time;

/// The harness with the settings of all groups.
pub(crate) fn criterion() -> Criterion<CpuTime> {
    Criterion::default()
        .with_measurement(CpuTime)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .nresamples(10_000)
        .without_plots()
}

/// Measures with the thread's processor time instead of the clock: it holds on a machine that
/// others use as well.
pub(crate) struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        thread_cpu_time()
    }

    fn end(&self, start: Duration) -> Duration {
        thread_cpu_time() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// One input, and everyone who does the job with it.
pub(crate) struct Row<'g, 'c> {
    group: &'g mut BenchmarkGroup<'c, CpuTime>,
    input: String,
}

impl<'g, 'c> Row<'g, 'c> {
    /// A row for `input`, of which one run does `operations` operations on `bytes` bytes of payload
    /// in all.
    pub(crate) fn new(
        group: &'g mut BenchmarkGroup<'c, CpuTime>,
        input: String,
        operations: usize,
        bytes: usize,
    ) -> Self {
        let (elements, bytes) = (operations as u64, bytes as u64);
        group.throughput(Throughput::ElementsAndBytes { elements, bytes });
        Self { group, input }
    }

    /// Measures `run`, in which `name` does all operations and which asserts what they gave.
    pub(crate) fn bench(&mut self, name: &str, mut run: impl FnMut()) {
        let id = BenchmarkId::new(name, &self.input);
        self.group.bench_function(id, |bencher| bencher.iter(&mut run));
    }
}

/// A number of bytes as the names of inputs have it.
pub(crate) fn in_words(bytes: usize) -> String {
    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;
    match bytes {
        MIB.. if bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        KIB.. if bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
        _ => format!("{bytes} B"),
    }
}
