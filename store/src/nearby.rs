//! Calls near in time of the same people: nothing joins them, and yet they may be of one story.

use message::event::CallClass;
use record::time::Timestamp;
use sqlx::QueryBuilder;

use crate::append::key;
use crate::backend::with_pool;
use crate::scenario::{COLUMNS, ScenarioColumns, ScenarioRow};
use crate::{Error, Store};

/// Scenarios of one person on one side that are looked at.
const LOOKS: i64 = 20;
/// People who are asked for.
const PEOPLE: usize = 4;

impl Store {
    /// Calls that one of these people made or got and that began in this time, each once, in the order in which they began.
    /// Of each person the first few on either side are looked at.
    pub async fn nearby(&self, people: &[&str], from: Timestamp, to: Timestamp) -> Result<Vec<ScenarioRow>, Error> {
        let mut keys: Vec<String> = people.iter().map(|user| key(user)).filter(|key| !key.is_empty()).collect();
        keys.sort();
        keys.dedup();
        keys.truncate(PEOPLE);
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<ScenarioColumns> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("");
            let sides = keys.iter().flat_map(|key| [("caller_key", key), ("callee_key", key)]);
            for (nth, (column, key)) in sides.enumerate() {
                q.push(if nth > 0 { " union all " } else { "" });
                q.push(format_args!("select {COLUMNS} from (select {COLUMNS} from scenario where merged_into is null"));
                q.push(format_args!(" and {column} = ")).push_bind(key);
                q.push(" and first >= ").push_bind(from.0).push(" and first <= ").push_bind(to.0);
                q.push(" order by first limit ").push_bind(LOOKS).push(format_args!(") as side{nth}"));
            }
            q.build_query_as().fetch_all(pool).await?
        });
        let mut found = rows.into_iter().map(ScenarioColumns::read).collect::<Result<Vec<_>, _>>()?;
        found.retain(|row| row.class == CallClass::Call);
        found.sort_by_key(ScenarioRow::place);
        found.dedup_by(|one, other| one.subject == other.subject);
        Ok(found)
    }
}
