//! Scenarios by what names them: a value by which calls are joined, as a session id or the id of another system.

use std::collections::BTreeSet;

use message::keys::{Key, SPACES};
use record::id::ScenarioId;
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::scenario::Found;
use crate::statement::push_list;
use crate::{Error, Store};

impl Store {
    /// Scenarios with a call that carries this value as a key, in whichever space.
    pub async fn scenarios_of_key(&self, value: &str) -> Result<Vec<ScenarioId>, Error> {
        let own = self.settings.key.iter().map(|rule| rule.space.as_str());
        let spaces: BTreeSet<&str> = SPACES.into_iter().chain(own).collect();
        let keys = spaces.into_iter().filter_map(|space| Key::of(space, value));
        let hashes: Vec<Vec<u8>> = keys.map(|key| key.hash().to_vec()).collect();
        if hashes.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<i64> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select distinct scenario_id from scenario_key where hash in ");
            push_list!(q, hashes);
            q.build_query_scalar().fetch_all(pool).await?
        });
        let mut found = BTreeSet::new();
        for mut id in ids.into_iter().map(ScenarioId) {
            // A key leads to where its scenario was when it was last read.
            let here = loop {
                match self.scenario(id).await? {
                    Found::Merged(into) => id = into,
                    found => break matches!(found, Found::Here(_)),
                }
            };
            found.extend(here.then_some(id));
        }
        Ok(found.into_iter().collect())
    }
}
