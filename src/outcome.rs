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
    eprintln!("siptrail: {}", told(error));
    if error.downcast_ref::<WrongConfig>().is_some() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// The chain of causes; one whose text stands in the text before it already is not said twice.
fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string).filter(|cause| !cause.is_empty()) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow::Error::new(std::io::Error::other("disk on fire"));
        let error = error.context("cannot read /data: disk on fire; name another directory").context("cannot start");
        assert_eq!(told(&error), "cannot start: cannot read /data: disk on fire; name another directory");
    }
}
