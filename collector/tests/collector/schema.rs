//! A schema of a PostgreSQL for one test or bench.

use std::process::Command;

use store::Location;

/// A schema of its own, which goes with it.
pub struct Schema {
    server: String,
    name: String,
}

impl Schema {
    pub fn make(name: &str) -> Self {
        let server = std::env::var("SIPTRAIL_TEST_POSTGRES_URL").unwrap_or_else(|_| {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/postgres");
            let said = Command::new(script).arg("url").output().expect("scripts/postgres");
            assert!(said.status.success(), "the tests need PostgreSQL: run scripts/postgres start");
            String::from_utf8_lossy(&said.stdout).trim().to_owned()
        });
        let schema = Self { server, name: format!("collector_{name}_{}", std::process::id()) };
        schema.run("create schema");
        schema
    }

    fn run(&self, what: &str) {
        self.ask(&format!("{what} {} {}", self.name, if what.starts_with("drop") { "cascade" } else { "" }));
    }

    /// Does to its tables what no collector would.
    pub fn execute(&self, statement: &str) {
        self.ask(&format!("set search_path = {}; {statement}", self.name));
    }

    fn ask(&self, statement: &str) {
        let done = Command::new("psql").args([&self.server, "-qc", statement]).output().expect("psql");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    pub fn location(&self) -> Location {
        let join = if self.server.contains('?') { '&' } else { '?' };
        Location::postgres(&format!("{}{join}options[search_path]={}", self.server, self.name)).expect("a URL")
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.run("drop schema");
    }
}
