//! The rules in force are those that were loaded last.

use super::alert::later;
use super::store_test;
use crate::rulebook::Rulebook;

fn book(fault: &str) -> Rulebook {
    Rulebook { faults: vec![fault.to_owned()], ..Rulebook::default() }
}

store_test! {
    async fn the_set_that_was_loaded_last_is_in_force_also_when_it_is_one_of_before(store) {
        assert_eq!(store.rulebook().await.unwrap(), None);
        store.keep_rulebook(&book("a"), later(0)).await.unwrap();
        store.keep_rulebook(&book("b"), later(1)).await.unwrap();
        assert_eq!(store.rulebook().await.unwrap(), Some((book("b"), later(1))));
        store.keep_rulebook(&book("a"), later(2)).await.unwrap();
        assert_eq!(store.rulebook().await.unwrap(), Some((book("a"), later(2))));
    }

    async fn a_hundred_sets_are_kept(store) {
        for at in 0..120 {
            store.keep_rulebook(&book(&at.to_string()), later(at)).await.unwrap();
        }
        let kept: i64 = crate::backend::with_pool!(store.backend, pool => {
            sqlx::query_scalar("select count(*) from rulebook").fetch_one(pool).await.unwrap()
        });
        assert_eq!(kept, 100);
        assert_eq!(store.rulebook().await.unwrap().map(|(book, _)| book), Some(book("119")));
    }
}
