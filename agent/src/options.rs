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
        let mut config = Config::load(&self.config)?;
        config.collector = self.collector.unwrap_or(config.collector);
        config.state = self.state.unwrap_or(config.state);
        config.id = self.id.or(config.id);
        config.token_file = self.token_file.or(config.token_file);
        config.check().map_err(|fault| Error::Config {
            file: "command line".into(),
            line: 0,
            key: fault.key.to_owned(),
            hint: fault.hint,
        })?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("agent.toml");
        std::fs::write(&config, "id = \"from-file\"\nstate = \"/tmp/from-file\"\n").unwrap();
        let options = Options { config, collector: None, state: None, id: Some("from-flag".into()), token_file: None };
        let loaded = options.clone().load().unwrap();
        assert_eq!(loaded.id.as_deref(), Some("from-flag"));
        assert_eq!(loaded.state, PathBuf::from("/tmp/from-file"));
        assert_eq!(loaded.collector, Config::default().collector);

        let wrong = Options { collector: Some("http://192.0.2.1".into()), ..options };
        assert_eq!(wrong.load().unwrap_err().exit_code(), 2);
    }
}
