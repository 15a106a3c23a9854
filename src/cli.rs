//! What can be asked on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const AFTER: &str = "\
Examples:
  siptrail demo                                   calls, some of which break, played live
  siptrail watch /var/log/myapp/sip.log           your own log
  siptrail watch '/var/log/myapp/*.log'           a glob, in quotes: files that appear later are followed too
  siptrail watch /var/log/kamailio /srv/app.log   a directory and a file
  siptrail watch --zone Europe/Berlin sip.log     times without an offset are Berlin's
  siptrail watch --format '{prefix}{time} {method} {source} -> {destination}' pbx.log
                                                  a layout of your own
  siptrail watch --config /etc/siptrail/agent.toml
                                                  the sources, formats and masks of an agent

The log format is [timestamp][method][source url][destination url], newline, message; see docs/log-format.md.";

/// Follows the logs in which applications write their SIP, REST and push messages, and shows each call as a ladder.
#[derive(Debug, Parser)]
#[command(name = "siptrail", version, after_help = AFTER, max_term_width = 100)]
pub struct Cli {
    /// Say more (-v: debug, -vv: trace); RUST_LOG is honoured too
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Follow logs and browse their calls: agent, collector and pages in one process, nothing to set up
    Watch(Watch),
    /// Play three minutes of calls into a fresh directory, over and over, and watch them; some break, and rules say so
    Demo(Demo),
    /// Run the server that agents send to and browsers open
    Collector(Configured),
    /// Check rules and routes, read rules in plain English, and try them on stored calls
    #[command(subcommand)]
    Rules(Rules),
    /// Follow this host's logs and send them to a collector (the same as siptrail-agent)
    Agent(agent::Options),
    /// Try the mail server of the collector's config
    #[command(subcommand)]
    Mail(Mail),
}

#[derive(Debug, Subcommand)]
pub enum Mail {
    /// Connect, log in and send one mail; says what works and what does not
    Test(MailTest),
}

#[derive(Debug, Args)]
pub struct MailTest {
    /// Who gets the mail
    #[arg(long, value_name = "ADDRESS", value_parser = mail_address)]
    pub to: collector::mail::Address,
    /// The collector's config, with a [mail]
    #[arg(long, env = "SIPTRAIL_CONFIG", value_name = "FILE", default_value = "/etc/siptrail/collector.toml")]
    pub config: PathBuf,
}

#[derive(Debug, Args)]
pub struct Watch {
    #[command(flatten)]
    pub follow: Following,
    #[command(flatten)]
    pub pages: Pages,
    /// Where messages and positions are kept; a second run goes on where the first stopped
    /// [default: siptrail in the user's data directory]
    #[arg(long, env = "SIPTRAIL_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// What `watch` follows, and how it is read.
#[derive(Clone, Debug, Default, Args)]
pub struct Following {
    /// A log file, a directory of logs, or a quoted glob. What does not exist yet is followed when it appears
    #[arg(required_unless_present = "config", value_name = "LOG")]
    pub logs: Vec<PathBuf>,
    /// Where to begin in files that were never read before
    #[arg(long, value_enum, default_value_t = From::Beginning)]
    pub from: From,
    /// How a header line looks, such as '{prefix}{time} {method} {source} -> {destination}', or the name of a
    /// [format.NAME] in the --config file [default: [timestamp][method][source url][destination url]]
    #[arg(long, value_name = "NAME|PATTERN")]
    pub format: Option<String>,
    /// The zone of times without an offset, such as Europe/Berlin [default: the host's]
    #[arg(long)]
    pub zone: Option<String>,
    /// An agent's config: its formats and masks apply, and without a LOG its sources are followed
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum From {
    #[default]
    /// Read what is there, then what comes
    Beginning,
    /// Only what comes; what is there already is recorded as a gap
    End,
}

#[derive(Debug, Args)]
pub struct Demo {
    #[command(flatten)]
    pub pages: Pages,
    /// A directory for the logs and their messages; it must be empty, and is kept
    /// [default: a fresh one, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Plays one round, as if it had just been, so many times as fast: for tests
    #[arg(long, hide = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub speed: Option<u32>,
}

#[derive(Clone, Debug, Args)]
pub struct Pages {
    /// Address of the pages; loopback only, as there are no accounts. Port 0 takes a free one
    #[arg(long, env = "SIPTRAIL_LISTEN", default_value = "127.0.0.1:8480", value_parser = address)]
    pub listen: SocketAddr,
}

#[derive(Debug, Args)]
pub struct Configured {
    /// The config file (an example with every key and its default: etc/collector.toml)
    #[arg(long, env = "SIPTRAIL_CONFIG", value_name = "FILE")]
    pub config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum Rules {
    /// Show everything that is wrong in rules and routes: file, line, a caret, and what is expected there
    Check(Check),
    /// Say in plain English what rules and watches expect, and when they alert
    Explain(Explain),
    /// Judge stored calls, registrations and requests by rules: what would have failed, and which mails would have been sent. Nothing is changed
    #[command(after_help = TRY)]
    Test(Try),
}

#[derive(Debug, Args)]
pub struct Check {
    /// Your own rules: its *.toml replace built-in files of the same name; an empty one switches that file off
    /// [default: /etc/siptrail/rules, if it is there]
    #[arg(long, env = "SIPTRAIL_RULES", value_name = "DIR")]
    pub rules: Option<PathBuf>,
    /// The file that says who is mailed (an example: etc/routes.toml)
    #[arg(long, value_name = "FILE")]
    pub routes: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// One rule or watch, such as answered-no-ack [default: all]
    pub id: Option<String>,
    /// Your own rules: its *.toml replace built-in files of the same name; an empty one switches that file off
    /// [default: /etc/siptrail/rules, if it is there]
    #[arg(long, env = "SIPTRAIL_RULES", value_name = "DIR")]
    pub rules: Option<PathBuf>,
}

const TRY: &str = "\
Examples:
  siptrail rules test                         calls of the last day that `siptrail watch` stored
  siptrail rules test --since 2h 20-ack.toml  with this file in place of the one with its name
  siptrail rules test --config /etc/siptrail/collector.toml --since 7d own.toml
                                              calls of a collector, with own.toml beside its rules

It may run beside the collector. It ends with 0 whatever failed, and with 2 if a file is wrong.";

#[derive(Debug, Args)]
pub struct Try {
    /// Rules to try: a file replaces the one with its name that is built in or in --rules, or is added to them
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How far back: calls with a message within this time, such as 30m, 24h or 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = time)]
    pub since: i64,
    /// The directory in which `siptrail watch` keeps its messages
    #[arg(long, env = "SIPTRAIL_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A collector's config: its database, rules and routes
    /// [default: /etc/siptrail/collector.toml, if it is there and no --data is given]
    #[arg(long, env = "SIPTRAIL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Your own rules [default: `rules_dir` of the config; without a config /etc/siptrail/rules, if it is there]
    #[arg(long, env = "SIPTRAIL_RULES", value_name = "DIR")]
    pub rules: Option<PathBuf>,
    /// The file that says who is mailed [default: `routes` of the config]
    #[arg(long, value_name = "FILE")]
    pub routes: Option<PathBuf>,
    /// List everything that failed, not only the first 20
    #[arg(long)]
    pub all: bool,
}

fn time(text: &str) -> Result<i64, String> {
    rule::duration::read(text).ok_or_else(|| format!("give {}, of a year at most", rule::duration::LIKE))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "give an address and a port, such as 127.0.0.1:8480".to_owned())
}

fn mail_address(text: &str) -> Result<collector::mail::Address, String> {
    text.parse().map_err(|_| "give a mail address, such as oncall@example.com".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn watch_without_a_log_is_a_usage_error() {
        let error = Cli::try_parse_from(["siptrail", "watch"]).expect_err("a log is needed");
        assert_eq!(error.exit_code(), 2);
    }
}
