//! What the guide shows is true: each of its rules is read, and what it quotes is what is said.

use rule::prose::explain;
use rule::set::RuleSet;

const GUIDE: &str = include_str!("../../docs/rules.md");

/// The fenced blocks that are rules.
fn examples() -> Vec<&'static str> {
    GUIDE.split("```toml rule\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

fn load(text: &str) -> Result<RuleSet, String> {
    let faults = RuleSet::load(&[("90-own.toml".to_owned(), text.to_owned())]);
    faults.map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn each_example_of_the_guide_is_read() {
    let examples = examples();
    assert_eq!((examples.len(), GUIDE.matches("```toml").count()), (5, 5));
    for text in &examples {
        let set = load(text).unwrap_or_else(|faults| panic!("{text}\n{faults}"));
        assert_eq!(set.rules.len() + set.watches.len(), 15);
    }
    load(&examples.join("\n")).unwrap_or_else(|faults| panic!("together: {faults}"));
}

#[test]
fn what_the_guide_quotes_is_what_is_said() {
    let first = examples()[0];
    let set = load(first).expect("right");
    let prose = explain(set.rules.iter().find(|rule| rule.id == "my-first-rule").expect("the rule"));
    assert!(GUIDE.contains(&format!("> {prose}\n")), "{prose}");
    let said = load(&first.replace("ACK to", "ACK form")).expect_err("a slip");
    let (_, said) = said.split_once(": ").expect("a place");
    assert!(GUIDE.contains(&format!(": {said}\n```")), "{said}");
}

/// The patterns in the table of the guide, each as the start of a rule.
#[test]
fn each_pattern_of_the_guide_is_read() {
    let table =
        GUIDE.split("| pattern | matches |").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("the table");
    let patterns: Vec<String> =
        table.lines().skip(2).filter_map(|line| Some(line.split('`').nth(1)?.replace("\\|", "|"))).collect();
    assert_eq!(patterns.len(), 10, "{patterns:?}");
    for pattern in patterns {
        let text = examples()[0].replace("2xx INVITE from device", &pattern);
        load(&text).unwrap_or_else(|faults| panic!("{faults}"));
    }
}
