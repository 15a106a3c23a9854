//! Names with a fixed set of values, as the document gives them: from the lists that the values come from.

use std::borrow::Cow;

use message::event::CallClass;
use message::kind::Kind;
use record::miss::Reason;
use record::span::{Cause, Flags};
use rule::verdict::Outcome;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! names {
    ($($(#[doc = $doc:literal])* $name:ident as $shown:literal: $names:expr;)+) => {$(
        $(#[doc = $doc])*
        pub(crate) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let description = concat!($($doc, "\n"),*).trim();
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some(description))
                    .enum_values(Some($names))
                    .into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                $shown.into()
            }
        }
    )+};
}

names! {
    #[doc = "What sort of scenario it is. Registrations, keep-alives, subscriptions and publications are one scenario for each Call-ID and UTC day; `message` is a MESSAGE outside a dialog."]
    Class as "Class": CallClass::ALL.map(CallClass::name);
    #[doc = "What kind of message it is."]
    KindOf as "Kind": Kind::ALL.map(Kind::name);
    #[doc = "What a rule says. `failed`: a step never came, or a forbidden message did. `late`: every step came, one of them too late. `unknown`: nobody can tell, as no log would have shown it. `open`: a step may still come. `business`: an ordinary end that is no success, such as busy. `ok`: all went as expected."]
    OutcomeOf as "RuleOutcome": Outcome::ALL.map(Outcome::name);
    #[doc = "What is odd about a message, as docs/log-format.md says."]
    FlagOf as "Flag": Flags::all().names();
    #[doc = "How messages are written."]
    FormatOf as "Format": ["json", "ndjson"];
    #[doc = "What is to be ready."]
    ReadyOf as "ReadyOf": ["server"];
    #[doc = "Why bytes could not be read."]
    CauseOf as "Cause": Cause::ALL.map(Cause::name);
    #[doc = "Why a line that is nearly a header line is none."]
    ReasonOf as "Reason": Reason::ALL.map(Reason::name);
}
