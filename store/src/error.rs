//! What can go wrong with the database.

/// The text holds the whole cause, so none has a source: told with its chain, each cause stands there once.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("database: {0}")]
    Sql(sqlx::Error),
    #[error("database migration: {0}")]
    Migrate(sqlx::migrate::MigrateError),
    #[error("data directory {path}: {what}")]
    Directory { path: String, what: String },
    #[error("PostgreSQL at {host}:{port}, database {database}: {what}")]
    Unreachable { host: String, port: u16, database: String, what: String },
    #[error("not a PostgreSQL URL: {what}; it looks like postgres://user:password@host:5432/database")]
    Url { what: String },
    #[error("stored row is damaged: {0}")]
    Damaged(String),
}

impl From<sqlx::Error> for Error {
    fn from(why: sqlx::Error) -> Self {
        Self::Sql(why)
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(why: sqlx::migrate::MigrateError) -> Self {
        Self::Migrate(why)
    }
}
