//! What the store promises, on both databases.

mod agent;
mod alert;
mod append;
mod bounded;
mod clock;
mod correlate;
mod daily;
mod early;
pub(crate) mod fixture;
mod history;
mod nearby;
mod outbox;
mod outgoing;
mod position;
mod read;
mod rulebook;
mod schema;
mod search;
mod settle;
mod side_by_side;

/// A test on each database, in a database or schema of its own: `store_test! { async fn name(store) { … } }`.
macro_rules! store_test {
    ($(async fn $name:ident($store:ident) $body:block)+) => {
        $(mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn test($store: $crate::Store) $body

            #[tokio::test]
            async fn sqlite() {
                let (store, directory) = $crate::tests::fixture::sqlite().await;
                test(store.clone()).await;
                store.close().await;
                drop(directory);
            }

            #[tokio::test]
            async fn postgres() {
                let (store, schema) = $crate::tests::fixture::postgres().await;
                test(store.clone()).await;
                store.close().await;
                schema.drop().await;
            }
        })+
    };
}

pub(crate) use store_test;
