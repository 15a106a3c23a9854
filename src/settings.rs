//! Reads the collector's config: TOML, unknown keys are errors with file, line, key and a hint.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::outcome::WrongConfig;

pub fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    ::agent::config::read_toml(path).map_err(|error| anyhow::Error::new(WrongConfig(error.to_string())))
}
