//! The shipped rules.

use rule::set::RuleSet;
use rule::syntax::{Defaults, Rule};

pub fn shipped() -> (Vec<Rule>, Defaults) {
    let set = RuleSet::built_in();
    (set.rules, set.defaults)
}
