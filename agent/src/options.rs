//! The command line of the agent: flag before environment before file before default.

use std::path::PathBuf;

use crate::{Config, Error};

/// Flags and environment of `siptrail-agent` and `siptrail agent`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Config file
    #[arg(long, env = "SIPTRAIL_AGENT_CONFIG", default_value = "/etc/siptrail/agent.toml")]
    pub config: PathBuf,
    /// URL of the collector
    #[arg(long, env = "SIPTRAIL_COLLECTOR")]
    pub collector: Option<String>,
    /// Directory for the agent's state
    #[arg(long, env = "SIPTRAIL_AGENT_STATE")]
    pub state: Option<PathBuf>,
    /// Who this agent is to the collector
    #[arg(long, env = "SIPTRAIL_AGENT_ID")]
    pub id: Option<String>,
    /// File with the bearer token
    #[arg(long, env = "SIPTRAIL_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

impl Options {
    pub fn load(self) -> Result<Config, Error> {
        let config = Config::load(&self.config, |config| {
            self.collector.into_iter().for_each(|collector| config.collector = collector);
            self.state.into_iter().for_each(|state| config.state = state);
            config.id = self.id.or(config.id.take());
            config.token_file = self.token_file.or(config.token_file.take());
        })?;
        if config.sources.is_empty() { Err(Error::NoSource(self.config)) } else { Ok(config) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> (Options, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("agent.toml");
        std::fs::write(&config, text).unwrap();
        (Options { config, collector: None, state: None, id: None, token_file: None }, dir)
    }

    const SOURCE: &str = "[[source]]\nname = \"sip\"\npaths = [\"/x/*.log\"]\n";

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let text =
            format!("id = \"from-file\"\nstate = \"/tmp/from-file\"\ncollector = \"http://192.0.2.1\"\n{SOURCE}");
        let (options, _dir) = options(&text);
        let said = options.clone().load().unwrap_err().to_string();
        assert!(said.contains("agent.toml:3: collector: "), "{said}");
        let flags = Options { id: Some("from-flag".into()), collector: Some("http://127.0.0.1:1".into()), ..options };
        let loaded = flags.load().unwrap();
        assert_eq!(loaded.id.as_deref(), Some("from-flag"));
        assert_eq!((loaded.state, loaded.collector), (PathBuf::from("/tmp/from-file"), "http://127.0.0.1:1".into()));
        assert_eq!(loaded.timeout, Config::default().timeout);
    }

    #[test]
    fn a_wrong_flag_is_named_with_its_value() {
        let (options, _dir) = options(SOURCE);
        let wrong = Options { collector: Some("http://192.0.2.1".into()), ..options }.load().unwrap_err();
        assert_eq!(wrong.exit_code(), 2);
        assert!(wrong.to_string().starts_with("collector = \"http://192.0.2.1\": plain HTTP"), "{wrong}");
    }

    #[test]
    fn an_agent_without_a_source_does_not_start() {
        let (options, _dir) = options("id = \"pbx\"\n");
        let wrong = options.load().unwrap_err();
        assert_eq!(wrong.exit_code(), 2);
        assert!(wrong.to_string().contains("no [[source]]"), "{wrong}");
    }
}
