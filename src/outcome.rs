//! How a run ends: 0 done, 1 failed, 2 wrong config or usage.

use std::fmt;
use std::process::ExitCode;

/// What the operator has to change; everything else is a failure.
#[derive(Debug)]
pub struct WrongConfig(pub String);

impl fmt::Display for WrongConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongConfig {}

pub fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("siptrail: {error:#}");
    if error.downcast_ref::<WrongConfig>().is_some() { ExitCode::from(2) } else { ExitCode::FAILURE }
}
