//! In which classes of scenarios a rule has anything to judge.

use std::collections::BTreeSet;

use message::event::CallClass;

use crate::set::RuleSet;
use crate::syntax::{FactName, Op, Term};

impl RuleSet {
    /// Classes in which an instance of any rule may begin. A start that names no `scenario` may be in every class that its
    /// methods belong to; calls, registrations, MESSAGEs and REST are thought to be in each other's.
    pub fn classes(&self) -> BTreeSet<CallClass> {
        let starts = || self.rules.iter().flat_map(|rule| &rule.start.0);
        CallClass::ALL.into_iter().filter(|class| starts().any(|term| may_be_in(term, *class))).collect()
    }
}

fn may_be_in(term: &Term, class: CallClass) -> bool {
    let mut named = term.with.iter().filter(|fact| fact.name == FactName::Scenario).peekable();
    if named.peek().is_some() {
        return named.all(|fact| fact.values.iter().any(|name| name == class.name()) == (fact.op == Op::Is));
    }
    let any = |methods: &[&str]| term.methods.iter().any(|method| methods.contains(&method.as_str()));
    match class {
        CallClass::Keepalive => any(&["OPTIONS"]),
        CallClass::Subscription => any(&["SUBSCRIBE", "NOTIFY"]),
        CallClass::Publication => any(&["PUBLISH"]),
        CallClass::Call | CallClass::Registration | CallClass::Message | CallClass::Other => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Classes beside those that every rule may be about.
    fn more(start: &str) -> Vec<&'static str> {
        let text = format!(
            "[[rule]]\nid = \"a\"\ntitle = \"A\"\nseverity = \"info\"\nper = \"transaction\"\nstart = \"{start}\"\n\
             steps = [\"answered: 2xx-6xx OPTIONS within 32s else silent\"]\n[rule.says]\nsilent = \"no answer\"\n"
        );
        let set = RuleSet::load(&[("90-a.toml".to_owned(), text)]).expect("right");
        let built_in = RuleSet::built_in().classes();
        set.classes().difference(&built_in).map(|class| class.name()).collect()
    }

    #[test]
    fn a_rule_is_about_classes_by_its_methods_or_as_it_says() {
        assert_eq!(more("INVITE"), [""; 0]);
        assert_eq!(more("OPTIONS"), ["keepalive"]);
        assert_eq!(more("SUBSCRIBE or PUBLISH"), ["subscription", "publication"]);
        assert_eq!(more("OPTIONS with scenario=call"), [""; 0]);
        assert_eq!(more("OPTIONS with scenario!=call"), ["keepalive", "subscription", "publication"]);
        assert_eq!(more("INVITE with scenario=subscription|message"), ["subscription"]);
    }
}
