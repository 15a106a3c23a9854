//! Laws on generated headers: no secret gets through, however it is written, cut or misspelt, and all else stays.

use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// The one byte that stands in secrets only.
const TELLTALE: u8 = b'7';
const SECRET: [&str; 5] = ["response", "cnonce", "auts", "rspauth", "x-unheard-of"];
const KEPT: [&str; 10] =
    ["username", "realm", "nonce", "uri", "qop", "nc", "algorithm", "opaque", "userhash", "username*"];

/// Headers as they are logged, and what is to become of them.
#[derive(Clone, Debug)]
struct Case {
    log: String,
    masked: String,
    /// Where the value of the header lies.
    value: Range<usize>,
}

/// A part of the header as it is logged, and masked.
type Text = (String, String);

fn as_it_is(text: impl Into<String>) -> Text {
    let text = text.into();
    (text.clone(), text)
}

fn joined(parts: Vec<Text>) -> Text {
    parts.into_iter().unzip()
}

fn any_case(text: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(any::<bool>(), text.len()).prop_map(move |upper| {
        let with_case = |(c, upper): (char, bool)| if upper { c.to_ascii_uppercase() } else { c };
        text.chars().zip(upper).map(with_case).collect()
    })
}

fn blanks(folds: bool) -> impl Strategy<Value = String> {
    let some = if folds { vec!["", " ", "\t", "\r\n ", "\n\t", " \r\n\t "] } else { vec!["", " ", "\t "] };
    select(some).prop_map(String::from)
}

/// What may stand between quotes, and for a secret does: what ends a parameter where it is not quoted.
fn quoted(pieces: Vec<&'static str>, folds: bool) -> impl Strategy<Value = String> {
    let pieces = if folds { [pieces, vec!["\r\n ", "\n\t"]].concat() } else { pieces };
    prop::collection::vec(select(pieces), 1..6).prop_map(|pieces| pieces.concat())
}

fn secret(folds: bool) -> impl Strategy<Value = Text> {
    let pieces = vec!["7", "7a", ",", "\\\"", "\\\\", " ", "=", "\u{e9}", "7,7", "x=7"];
    let value = prop_oneof![
        "7[0-9a-fA-F]{0,12}={0,2}".prop_map(|value| (value, "~masked~".to_owned())),
        quoted(pieces, folds).prop_map(|value| (format!("\"{value}\""), "\"~masked~\"".to_owned())),
    ];
    // A quote that is missing is noticed by the well-known names after it.
    let names = if folds { &SECRET[..] } else { &SECRET[..4] };
    (select(names.to_vec()).prop_flat_map(any_case), blanks(folds), blanks(folds), value).prop_map(
        |(name, before, after, (value, masked))| {
            let start = format!("{name}{before}={after}");
            (format!("{start}{value}"), format!("{start}{masked}"))
        },
    )
}

fn kept(folds: bool) -> impl Strategy<Value = Text> {
    let pieces = vec![
        "a",
        "sip:example.com",
        ",",
        "\\\"",
        "\\\\",
        " ",
        "=",
        "\u{e9}",
        ";",
        "Digest",
        "b, c",
        "Bearer x",
        "Sales: 2",
    ];
    let value = prop_oneof![
        "[0-9a-f&&[^7]]{1,8}={0,2}",
        Just("sip:alice@example.com:5060;lr".to_owned()),
        Just("UTF-8''J%C3%A4s".to_owned()),
        quoted(pieces, folds).prop_map(|value| format!("\"{value}\"")),
        Just("\"\"".to_owned()),
    ];
    (select(KEPT.to_vec()).prop_flat_map(any_case), blanks(folds), blanks(folds), value)
        .prop_map(|(name, before, after, value)| as_it_is(format!("{name}{before}={after}{value}")))
}

/// Digest parameters in any order, and more than one credential in a row.
fn digest(folds: bool) -> impl Strategy<Value = Text> {
    let secrets = prop::collection::vec(secret(folds), 1..5);
    let all = (secrets, prop::collection::vec(kept(folds), 0..8))
        .prop_map(|(secrets, kept)| [secrets, kept].concat())
        .prop_shuffle();
    let comma = (blanks(folds), blanks(folds), select(vec![",", ",", ",,", ", Digest "]));
    (any_case("Digest"), all, prop::collection::vec(comma, 12)).prop_map(|(scheme, parameters, commas)| {
        let mut parts = vec![as_it_is(format!("{scheme} "))];
        for (nth, (parameter, (before, after, comma))) in parameters.into_iter().zip(commas).enumerate() {
            if nth > 0 {
                parts.push(as_it_is(format!("{before}{comma}{after}")));
            }
            parts.push(parameter);
        }
        joined(parts)
    })
}

fn scheme_of_its_own(folds: bool) -> impl Strategy<Value = Text> {
    let scheme = select(vec!["Basic", "Bearer", "Negotiate", "AWS4-HMAC-SHA256", "NTLM", "PGP"]);
    let credential = prop_oneof!["[7+/._~]{1,20}={0,2}", quoted(vec!["7", ",", "response=\"7\"", "\"", "a"], folds)];
    (scheme.prop_flat_map(any_case), blanks(folds), credential).prop_filter_map(
        "a credential",
        |(scheme, blanks, of)| {
            let start = format!("{scheme} {blanks}");
            let of = of.trim_matches([' ', '\t', '\r', '\n', ',']);
            (!of.is_empty()).then(|| (format!("{start}{of}"), format!("{start}~masked~")))
        },
    )
}

fn case(folds: bool) -> impl Strategy<Value = Case> {
    let names = select(vec!["Authorization", "Proxy-Authorization"]).prop_flat_map(any_case);
    let value = prop_oneof![3 => digest(folds), 1 => scheme_of_its_own(folds)];
    let line_end = select(vec!["\r\n", "\n"]);
    (names, select(vec![":", ": ", " :\t"]), blanks(folds), value, line_end).prop_map(
        |(name, colon, blanks, (log, masked), line_end)| {
            let start = format!("REGISTER sip:example.com SIP/2.0{line_end}To: <sip:a>{line_end}{name}{colon}{blanks}");
            let end = format!("{line_end}CSeq: 2 REGISTER{line_end}Content-Length: 0{line_end}{line_end}");
            let value = start.len()..start.len() + log.len();
            Case { log: format!("{start}{log}{end}"), masked: format!("{start}{masked}{end}"), value }
        },
    )
}

fn sent(bytes: &[u8], cut: bool) -> Vec<u8> {
    mask(bytes, 0, cut, &Rules::default()).map_or_else(|| bytes.to_vec(), |(sent, _)| sent)
}

/// What is sent is what was there, but for what the masks list.
fn is_tiled(bytes: &[u8], head: u32, cut: bool) -> Result<(), TestCaseError> {
    let Some((sent, masks)) = mask(bytes, head, cut, &Rules::default()) else { return Ok(()) };
    let (mut from, mut of_file) = (0, 0);
    for m in &masks {
        let kept = &sent[from..m.at as usize];
        prop_assert_eq!(kept, &bytes[of_file..of_file + kept.len()]);
        from = (m.at + m.len) as usize;
        prop_assert_eq!(&sent[m.at as usize..from], MASKED);
        of_file += kept.len() + m.len_before as usize;
    }
    prop_assert_eq!(&sent[from..], &bytes[of_file..]);
    // Masking what is masked changes nothing.
    let again = mask(&sent, head, cut, &Rules::default()).map(|(again, _)| again);
    prop_assert_eq!(again, Some(sent));
    Ok(())
}

proptest! {
    #[test]
    fn secrets_are_masked_and_every_other_byte_stays(case in case(true)) {
        let shown = sent(case.log.as_bytes(), false);
        prop_assert_eq!(String::from_utf8_lossy(&shown), case.masked);
        is_tiled(case.log.as_bytes(), 0, false)?;
    }

    #[test]
    fn wherever_a_record_is_cut_neither_piece_shows_a_secret(case in case(true), cut in any::<Index>()) {
        let (first, rest) = case.log.as_bytes().split_at(cut.index(case.log.len()));
        for shown in [sent(first, false), sent(rest, true)] {
            prop_assert!(!shown.contains(&TELLTALE), "{}", String::from_utf8_lossy(&shown));
        }
        is_tiled(first, 0, false)?;
        is_tiled(rest, 0, true)?;
    }

    #[test]
    fn no_misspelling_shows_a_secret(
        case in case(false),
        at in any::<Index>(),
        (drop, put) in (0_usize..2, select(vec!["", "\"", "\\", ",", "=", " ", ";", "'", "\0", "\r", "\u{e9}", "\r\n "])),
    ) {
        let at = case.value.start + at.index(case.value.len());
        let mut log = case.log.into_bytes();
        // Without its first letter `cnonce` is the name of a parameter that is none of the secrets.
        let drop = if log[at].eq_ignore_ascii_case(&b'c') { 0 } else { drop };
        log.splice(at..at + drop, put.bytes());
        let shown = sent(&log, false);
        prop_assert!(
            !shown.contains(&TELLTALE),
            "{} of {}", String::from_utf8_lossy(&shown), String::from_utf8_lossy(&log)
        );
        is_tiled(&log, 0, false)?;
    }

    #[test]
    fn what_is_not_masked_is_what_was_there(
        parts in prop::collection::vec(
            select(vec![
                "Cookie", "authorization", "Authentication-Info", ":", " ", "\t", "\r", "\n", "\r\n", "secret", "\u{e9}", "\0",
                "Digest ", "Basic ", "response", "username", "=", "\"", "\\", ",", "~masked~",
            ]),
            0..40,
        ),
        head in 0_u32..20,
        cut in any::<bool>(),
    ) {
        is_tiled(parts.concat().as_bytes(), head, cut)?;
    }
}
