//! A database of its own on the PostgreSQL that `scripts/postgres start` runs.

use sqlx::{Connection, PgConnection};

/// The one that the environment names, else that of `scripts/postgres`.
fn server() -> String {
    std::env::var("SIPTRAIL_TEST_POSTGRES_URL").unwrap_or_else(|_| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres");
        let said = std::process::Command::new(script).arg("url").output().expect("scripts/postgres runs");
        assert!(said.status.success(), "the tests need PostgreSQL: run scripts/postgres start");
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    })
}

/// Dropped again at the end.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    pub async fn make(name: &str) -> Self {
        let server = server();
        let name = format!("system_{name}_{}", std::process::id());
        let mut connection = PgConnection::connect(&server).await.unwrap_or_else(|error| {
            panic!("the tests need PostgreSQL at {server}: run scripts/postgres start ({error})")
        });
        for statement in [format!("drop database if exists {name} with (force)"), format!("create database {name}")] {
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.expect("a database of our own");
        }
        Self { server, name }
    }

    pub fn url(&self) -> String {
        let (base, _) = self.server.rsplit_once('/').expect("a URL with a database");
        format!("{base}/{}", self.name)
    }

    pub async fn drop(self) {
        if let Ok(mut connection) = PgConnection::connect(&self.server).await {
            let statement = format!("drop database if exists {} with (force)", self.name);
            let _ = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await;
        }
    }
}
