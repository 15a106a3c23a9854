//! Names in the address of a search that filter nothing, and fields that are filled twice: left out, they would find too much.

use super::form::Form;
use super::order::Order;
use super::value::Fault;
use crate::params::Params;

/// What else stands in these addresses: the zone, the place in the list, how a text is read, and of whom the hint asks.
const BESIDE: [&str; 5] = ["zone", "after", "as", "since", "at"];
/// A link that is wholly mistaken is not answered with a page of faults.
const MOST: usize = 5;

pub fn misread(params: &Params) -> Vec<Fault> {
    let known = || Form::NAMES.into_iter().chain(BESIDE);
    let fault = |field, text| Some(Fault { field, text });
    let strange = params.pairs().iter().filter(|(name, _)| !known().any(|known| known == name)).map(|(name, _)| {
        // Any letter is near to any other.
        let meant = rule::near::nearest(name, known()).filter(|_| name.len() > 2);
        let meant = meant.map_or_else(String::new, |meant| format!("; \"{meant}\" may be meant"));
        fault("", format!("there is no filter \"{}\"{meant}", name.chars().take(40).collect::<String>()))
    });
    let twice = known().map(|name| match params.twice(name) {
        Some((one, other)) => fault(name, format!("{name} is given as \"{one}\" and as \"{other}\"")),
        None => None,
    });
    let order = params.get("sort").filter(|name| !Order::ALL.iter().any(|order| order.name() == *name));
    let order = order.map(|name| {
        let orders = Order::ALL.map(Order::name).into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>();
        Fault { field: "sort", text: format!("sort is {}, or left out, not \"{name}\"", orders.join(" or ")) }
    });
    strange.chain(twice).flatten().chain(order).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(query: &str) -> Vec<String> {
        misread(&Params::parse(query)).into_iter().map(|fault| fault.text).collect()
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
    }

    #[test]
    fn what_a_form_sends_is_no_fault() {
        let query = "q=&caller=alice&caller=alice&callee=&class=call&class=other&outcome=failed&outcome=late&sort=talk&zone=UTC";
        assert_eq!(texts(query), Vec::<String>::new());
        assert_eq!(texts("since=1.00000001&at=home&after=1.00000001&as=user"), Vec::<String>::new());
    }
}
