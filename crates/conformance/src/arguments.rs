//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Sockeye against test suites that others wrote
#[derive(Debug, Parser)]
#[command(name = "sockeye-conformance", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Which suite.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The suites.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The Autobahn TestSuite, installed below target/autobahn when it is not there yet
    Autobahn(Autobahn),
    /// The work that n, 2n and 4n of anything cost, counted in instructions by valgrind
    #[cfg(feature = "deflate")]
    Work(Work),
}

/// How the command ends, below its options.
#[cfg(feature = "deflate")]
const WORK_EXIT: &str = "\
Exit status:
  0   twice the input never costs more than 2.2 times the work
  1   it does
  2   the work was not done to its end
  3   valgrind is missing";

/// The options of `sockeye-conformance work`.
#[cfg(feature = "deflate")]
#[derive(Debug, Clone, Args)]
#[command(after_help = WORK_EXIT)]
pub(crate) struct Work {
    /// The cases to count; without any, all
    pub(crate) cases: Vec<String>,
    /// An eighth of the input, which is enough to tell
    #[arg(long)]
    pub(crate) quick: bool,
    /// Do the work without counting it: what valgrind runs
    #[arg(long, hide = true)]
    pub(crate) counted: bool,
}

/// How the command ends, below its options.
const EXIT: &str = "\
Exit status:
  0   every case went as expected
  1   a case went otherwise, or was planned and has no result
  2   the suite did not run to its end
  3   the suite cannot be had here; what is missing is told";

/// The options of `sockeye-conformance autobahn`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT)]
pub(crate) struct Autobahn {
    /// Test the server; without --server and --client both are tested
    #[arg(long)]
    pub(crate) server: bool,
    /// Test the client
    #[arg(long)]
    pub(crate) client: bool,
    /// The cases to run, such as 1.*,7.1.6 (1* is 10.*, 12.* and 13.* as well)
    #[arg(long, value_name = "CASES", value_delimiter = ',', default_value = "*")]
    pub(crate) cases: Vec<String>,
    /// Cases of these to leave out
    #[arg(long, value_name = "CASES", value_delimiter = ',')]
    pub(crate) exclude: Vec<String>,
    /// What echoes; several are tested one after the other
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Subject::Events])]
    pub(crate) subject: Vec<Subject>,
    /// A subset that is done in a minute: all categories, but few of the cases about size, speed
    /// and compression
    #[arg(long, conflicts_with_all = ["cases", "exclude"])]
    pub(crate) quick: bool,
}

/// What is tested: who drives the protocol, and how the echo is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// An event route, and an outward connection of the reactor
    Events,
    /// An async route, and the client's sockets on another thread: a loop of receiving and sending
    Conversation,
    /// The example `blocking_echo` of the protocol, and the client `blocking_client`
    Blocking,
    /// `sockeye-tokio`: a visitor of what was read on the server, messages on the client
    Tokio,
    /// The example `mio_echo` of the protocol: a server only
    Mio,
    /// The example `sockeye-uring-example`: a server only
    #[cfg(target_os = "linux")]
    Uring,
}

impl Subject {
    /// As the command line and the reports name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Conversation => "conversation",
            Self::Blocking => "blocking",
            Self::Tokio => "tokio",
            Self::Mio => "mio",
            #[cfg(target_os = "linux")]
            Self::Uring => "uring",
        }
    }

    /// Whether it is a client as well.
    pub(crate) const fn has_client(self) -> bool {
        matches!(self, Self::Events | Self::Conversation | Self::Blocking | Self::Tokio)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn cases_are_separated_by_commas() {
        let arguments =
            Arguments::parse_from(["sockeye-conformance", "autobahn", "--cases", "1.*,7.1.6"]);
        let Command::Autobahn(options) = arguments.command else { panic!("another command") };
        assert_eq!(options.cases, ["1.*", "7.1.6"]);
        assert!(options.exclude.is_empty());
        assert_eq!(options.subject, [Subject::Events]);
    }

    #[test]
    fn subjects_are_tested_in_the_order_in_which_they_are_named() {
        let arguments =
            Arguments::parse_from(["sockeye-conformance", "autobahn", "--subject", "tokio,mio"]);
        let Command::Autobahn(options) = arguments.command else { panic!("another command") };
        assert_eq!(options.subject, [Subject::Tokio, Subject::Mio]);
    }

    #[test]
    fn subjects_are_named_as_they_are_printed() {
        for subject in Subject::value_variants() {
            let name = subject.to_possible_value().expect("none is hidden");
            assert_eq!(name.get_name(), subject.name());
        }
    }
}
