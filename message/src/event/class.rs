//! Classes: how a call is filed, by its dialog, else by the method that began it.

use serde::{Deserialize, Serialize};

use crate::facts::{Facts, SipFacts};
use crate::kind::Kind;

/// How a call is filed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallClass {
    Call,
    /// REGISTER: Call-ID and UTC day.
    Registration,
    /// OPTIONS outside a dialog: Call-ID and UTC day.
    Keepalive,
    /// SUBSCRIBE and its NOTIFYs: Call-ID and UTC day.
    Subscription,
    /// PUBLISH: Call-ID and UTC day.
    Publication,
    /// MESSAGE outside a dialog.
    Message,
    /// REST and push without a Call-ID of a call, and what is left.
    Other,
}

impl CallClass {
    pub const ALL: [CallClass; 7] = [
        CallClass::Call,
        CallClass::Registration,
        CallClass::Keepalive,
        CallClass::Subscription,
        CallClass::Publication,
        CallClass::Message,
        CallClass::Other,
    ];

    /// The code in the database.
    pub fn code(self) -> i16 {
        match self {
            CallClass::Call => 1,
            CallClass::Registration => 2,
            CallClass::Keepalive => 3,
            CallClass::Subscription => 4,
            CallClass::Other => 5,
            CallClass::Publication => 6,
            CallClass::Message => 7,
        }
    }

    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.code() == code)
    }

    pub fn name(self) -> &'static str {
        match self {
            CallClass::Call => "call",
            CallClass::Registration => "registration",
            CallClass::Keepalive => "keepalive",
            CallClass::Subscription => "subscription",
            CallClass::Publication => "publication",
            CallClass::Message => "message",
            CallClass::Other => "other",
        }
    }

    /// One Call-ID lives for weeks here, so a scenario is Call-ID and day, and no key joins it.
    pub fn is_daily(self) -> bool {
        matches!(
            self,
            CallClass::Registration | CallClass::Keepalive | CallClass::Subscription | CallClass::Publication
        )
    }
}

/// How the call of a message is filed.
///
/// By the dialog where there is one, else by the method. A response does not say all that its request said: one to OPTIONS
/// counts as a keepalive though its request may have had a To-tag, one to NOTIFY as a subscription though its event may have
/// been `refer`; nor does a SUBSCRIBE or NOTIFY inside a dialog say what made that (`CallEvent::is_in_doubt`).
pub fn class_of(facts: &Facts) -> CallClass {
    let Some(sip) = facts.sip.as_deref().filter(|_| facts.kind == Kind::Sip) else {
        return if facts.call_id.is_some() { CallClass::Call } else { CallClass::Other };
    };
    match facts.method.as_str() {
        "REGISTER" => CallClass::Registration,
        "OPTIONS" if facts.response || !has_to_tag(sip) => CallClass::Keepalive,
        "SUBSCRIBE" | "NOTIFY" if !reports_a_transfer(sip) => CallClass::Subscription,
        "PUBLISH" => CallClass::Publication,
        // A response says nothing of a dialog; the request does, and the call goes before.
        "MESSAGE" if facts.response || !has_to_tag(sip) => CallClass::Message,
        "INVITE" | "ACK" | "CANCEL" | "BYE" | "PRACK" | "UPDATE" => CallClass::Call,
        // REFER, INFO and what nobody knows: in a dialog, they are of its call.
        _ if facts.response || !has_to_tag(sip) => CallClass::Other,
        _ => CallClass::Call,
    }
}

/// The implicit subscription of a REFER lives in the dialog of its call (RFC 3515).
fn reports_a_transfer(sip: &SipFacts) -> bool {
    has_to_tag(sip) && sip.event.as_deref().is_some_and(|event| event.eq_ignore_ascii_case("refer"))
}

pub(super) fn has_to_tag(sip: &SipFacts) -> bool {
    sip.to.as_ref().is_some_and(|to| to.tag().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{self, Settings};

    fn sip(lines: &str) -> Facts {
        facts::read(Kind::Sip, "-", "-", "-", lines.as_bytes(), &Settings::default())
    }

    fn check_class(lines: &str, expect: CallClass) {
        assert_eq!(class_of(&sip(lines)), expect, "{lines}");
    }

    #[test]
    fn messages_are_filed_by_what_their_call_id_lives_for() {
        check_class("REGISTER sip:a SIP/2.0\nCSeq: 1 REGISTER\n\n", CallClass::Registration);
        check_class("SIP/2.0 401 No\nCSeq: 1 REGISTER\n\n", CallClass::Registration);
        check_class("OPTIONS sip:a SIP/2.0\nTo: sip:a\n\n", CallClass::Keepalive);
        check_class("OPTIONS sip:a SIP/2.0\nTo: <sip:a>;tag=1\n\n", CallClass::Call);
        check_class("SIP/2.0 200 OK\nTo: <sip:a>;tag=1\nCSeq: 1 OPTIONS\n\n", CallClass::Keepalive);
        check_class("SUBSCRIBE sip:a SIP/2.0\nEvent: presence\n\n", CallClass::Subscription);
        check_class("NOTIFY sip:a SIP/2.0\nTo: <sip:a>;tag=1\no: Presence;id=7\n\n", CallClass::Subscription);
        check_class("NOTIFY sip:a SIP/2.0\nTo: <sip:a>;tag=1\no: refer;id=7\n\n", CallClass::Call);
        check_class("NOTIFY sip:a SIP/2.0\nTo: <sip:a>\no: refer\n\n", CallClass::Subscription);
        for method in ["INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE"] {
            check_class(&format!("{method} sip:a SIP/2.0\n\n"), CallClass::Call);
        }
        for method in ["REFER", "INFO", "NEWMETHOD"] {
            check_class(&format!("{method} sip:a SIP/2.0\n\n"), CallClass::Other);
            check_class(&format!("{method} sip:a SIP/2.0\nTo: <sip:a>;tag=1\n\n"), CallClass::Call);
        }
        check_class("MESSAGE sip:a SIP/2.0\nTo: <sip:a>\n\n", CallClass::Message);
        check_class("MESSAGE sip:a SIP/2.0\nTo: <sip:a>;tag=1\n\n", CallClass::Call);
        check_class("SIP/2.0 200 OK\nTo: <sip:a>;tag=1\nCSeq: 1 MESSAGE\n\n", CallClass::Message);
        check_class("PUBLISH sip:a SIP/2.0\n\n", CallClass::Publication);
        let rest =
            |body: &str| class_of(&facts::read(Kind::Rest, "GET", "-", "-", body.as_bytes(), &Settings::default()));
        assert_eq!(rest(r#"{"callId":"c1@example.com"}"#), CallClass::Call);
        assert_eq!(rest("{}"), CallClass::Other);
    }
}
