//! What can go wrong with the database.

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("database migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("data directory {path}: {what}")]
    Directory { path: String, what: String },
    #[error("stored row is damaged: {0}")]
    Damaged(String),
}
