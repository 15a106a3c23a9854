//! Names in the address of a search that filter nothing, and fields that are filled twice: left out, they would find too much.

use record::time::Timestamp;

use super::form::Form;
use super::order::Order;
use super::read::{Reading, readings};
use super::value::Fault;
use crate::params::{Params, quoted};
use crate::zone::Zone;

/// What else stands in these addresses: the zone, the place in the list, how a text is read, and of whom the hint asks.
const BESIDE: [&str; 5] = ["zone", "after", "as", "since", "at"];
/// A link that is wholly mistaken is not answered with a page of faults.
const MOST: usize = 5;

pub fn misread(params: &Params, zone: Zone, now: Timestamp) -> Vec<Fault> {
    let known = || Form::NAMES.into_iter().chain(BESIDE);
    let fault = |field, text| Some(Fault { field, text });
    let strange = params.pairs().iter().filter(|(name, _)| !known().any(|known| known == name)).map(|(name, _)| {
        // Any letter is near to any other.
        let meant = rule::near::nearest(name, known()).filter(|_| name.len() > 2);
        let meant = meant.map_or_else(String::new, |meant| format!("; \"{meant}\" may be meant"));
        fault("", format!("there is no filter {}{meant}", quoted(name)))
    });
    let twice = known().map(|name| match params.twice(name) {
        Some((one, other)) => fault(name, format!("{name} is given as {} and as {}", quoted(one), quoted(other))),
        None => None,
    });
    let order = params.get("sort").filter(|name| !Order::ALL.iter().any(|order| order.name() == *name));
    let order = order.map(|name| {
        let orders = Order::ALL.map(Order::name).into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>();
        Fault { field: "sort", text: format!("sort is {}, or left out, not {}", orders.join(" or "), quoted(name)) }
    });
    strange.chain(twice).flatten().chain(order).chain(unread(params, zone, now)).take(MOST).collect()
}

/// A reading that the text in the box does not have: without it, the text itself would be left out.
fn unread(params: &Params, zone: Zone, now: Timestamp) -> Option<Fault> {
    let (name, text) = params.get("as").zip(params.get("q"))?;
    let readings = readings(text, zone, now);
    if readings.iter().any(|reading| reading.name() == name) {
        return None;
    }
    let names: Vec<&str> = readings.iter().map(Reading::name).collect();
    let text = format!("{} is read as {}, not as {}", quoted(text), names.join(" or as "), quoted(name));
    Some(Fault { field: "as", text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(query: &str) -> Vec<String> {
        misread(&Params::parse(query), Zone::UTC, Timestamp(0)).into_iter().map(|fault| fault.text).collect()
    }

    #[test]
    fn what_would_filter_nothing_is_said_with_the_name_that_may_be_meant() {
        assert_eq!(
            texts("calller=alice&x=1"),
            ["there is no filter \"calller\"; \"caller\" may be meant", "there is no filter \"x\""]
        );
        assert_eq!(texts("caller=alice&caller=bob"), ["caller is given as \"alice\" and as \"bob\""]);
        assert_eq!(texts("sort=length"), ["sort is talk or result, or left out, not \"length\""]);
        assert_eq!(texts(&"strange=1&".repeat(50)).len(), MOST);
        let long = "x".repeat(9_000);
        assert!(texts(&format!("{long}=1&q={long}&q={long}y&sort={long}")).concat().len() < 500);
        assert_eq!(
            texts("q=alice&as=usr"),
            ["\"alice\" is read as user or as Call-ID or as text in messages, not as \"usr\""]
        );
    }

    #[test]
    fn what_a_form_sends_is_no_fault() {
        let query = "q=&caller=alice&caller=alice&callee=&class=call&class=other&outcome=failed&outcome=late&sort=talk&zone=UTC";
        assert_eq!(texts(query), Vec::<String>::new());
        assert_eq!(texts("since=1.00000001&at=home&after=1.00000001&as=user&q=alice"), Vec::<String>::new());
    }
}
