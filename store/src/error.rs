//! What can go wrong with the database.

/// The text holds the whole cause, so none has a source: told with its chain, each cause stands there once.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("database: {0}")]
    Sql(sqlx::Error),
    #[error("database migration: {0}")]
    Migrate(sqlx::migrate::MigrateError),
    /// Its tables are not those of this build, and no migration leads from them to these.
    #[error(
        "the database was made by another build of Siptrail, whose tables differ: start with a new one (another --data \
         DIR, or another database), and let the agents send what their logs still hold"
    )]
    OtherBuild,
    #[error("the database was made by a newer build of Siptrail; run that one")]
    NewerBuild,
    /// Who only reads brings no tables up to date.
    #[error(
        "the database was made by an older build of Siptrail; start the collector or `siptrail watch` of this build on it first"
    )]
    OlderBuild,
    #[error("data directory {path}: {what}")]
    Directory { path: String, what: String },
    #[error("PostgreSQL at {host}:{port}, database {database}: {what}")]
    Unreachable { host: String, port: u16, database: String, what: String },
    #[error("not a PostgreSQL URL: {what}; it looks like postgres://user:password@host:5432/database")]
    Url { what: String },
    /// The log says where; the words are left out, as they may quote a message.
    #[error("a fault of Siptrail itself; its log says where")]
    Panicked,
    /// It is made anew from its messages, and whoever met it tries again.
    #[error("the summary of scenario {0} cannot be read")]
    Summary(i64),
    /// Fewer of them may do.
    #[error("these messages are more than {0} MB")]
    TooMuch(usize),
    #[error("stored row is damaged: {0}")]
    Damaged(String),
}

impl Error {
    /// What was asked is at fault, not the database: the same would be refused again, and something else may go well.
    pub fn is_of_what_was_asked(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Database(said)) => said.code().is_some_and(|code| is_of_values(&code)),
            Self::Sql(why) => {
                matches!(why, sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. })
            }
            Self::Panicked | Self::Summary(_) | Self::TooMuch(_) | Self::Damaged(_) => true,
            _ => false,
        }
    }
}

/// SQLSTATE classes 21 to 23 and 54 of PostgreSQL (values, constraints, limits), and SQLite's codes for too big, constraint,
/// mismatch and range.
fn is_of_values(code: &str) -> bool {
    let sqlite = code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 18 | 19 | 20 | 25)) && code.len() < 5;
    sqlite || (code.len() == 5 && ["21", "22", "23", "54"].contains(&&code[..2]))
}

impl From<sqlx::Error> for Error {
    fn from(why: sqlx::Error) -> Self {
        Self::Sql(why)
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(why: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError::{VersionMismatch, VersionMissing};
        match why {
            VersionMismatch(_) => Self::OtherBuild,
            VersionMissing(_) => Self::NewerBuild,
            why => Self::Migrate(why),
        }
    }
}
