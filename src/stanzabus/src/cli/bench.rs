use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `stanzabus bench …`
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Publishing, delivery and replay over gRPC, on nodes that it makes and removes.
    Grpc(GrpcBenchArguments),
    /// Pushes to devices, through a daemon and a mock of the push services that it starts for itself, without an XMPP server.
    Push(PushBenchArguments),
}

/// `stanzabus bench grpc`
#[derive(Debug, Args)]
pub(crate) struct GrpcBenchArguments {
    /// How often everything is measured, one after the other.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) runs: u32,
    /// Events of each measurement.
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    pub(crate) events: u64,
    /// Bytes of each payload.
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    pub(crate) payload_bytes: usize,
    /// Readers of one node, for the measurement with many.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) readers: u16,
    /// Events of the replay whose memory is measured, once; 0 leaves it out.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    pub(crate) replayed: u64,
    /// Write the figures here instead of on standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// `stanzabus bench push`
#[derive(Debug, Args)]
pub(crate) struct PushBenchArguments {
    /// How often everything is measured, one after the other.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) runs: u32,
    /// Pushes of each measurement.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000))]
    pub(crate) pushes: u64,
    /// Devices of each provider that they are for.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) devices: u64,
    /// Devices with a push each that wait for a provider that is away, for the measurement of memory, once; 0 leaves it out.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    pub(crate) queued: u64,
    /// The folder below which the daemon's files lie meanwhile: its disk is what is measured.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Write the figures here instead of on standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}
