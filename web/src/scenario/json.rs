//! JSON set out over lines. Only blanks change: numbers and strings stay as they were logged, whatever their length.

use serde::de::IgnoredAny;

/// None where it is no JSON object or array.
pub fn pretty(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    if !text.starts_with(['{', '[']) || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return None;
    }
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                out.push('"');
                while let Some(inside) = letters.next() {
                    out.push(inside);
                    match inside {
                        '\\' => out.extend(letters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                out.push(letter);
                while letters.peek().is_some_and(char::is_ascii_whitespace) {
                    letters.next();
                }
                if let Some(end) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            blank if blank.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    Some(out)
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_and_strings_stay_as_they_were_logged() {
        insta::assert_snapshot!(pretty(br#" {"a":1.10,"b":[ ],"c":[1e400,18446744073709551617],"d":"x\"},{"} "#).unwrap(), @r#"
        {
          "a": 1.10,
          "b": [],
          "c": [
            1e400,
            18446744073709551617
          ],
          "d": "x\"},{"
        }
        "#);
    }

    #[test]
    fn what_is_no_json_is_left_alone() {
        for text in ["", "v=0", "{", "{a:1}", "12", "\"x\"", "{} {}", &"[".repeat(100_000)] {
            assert_eq!(pretty(text.as_bytes()), None);
        }
    }

    proptest! {
        #[test]
        fn it_reads_back_as_the_same_value(text in "[\\[\\]{},:\"\\\\a1 ]{0,40}", key in ".*") {
            let made = serde_json::json!({ key: [text.clone(), {}, null] }).to_string();
            for text in [text, made] {
                if let Some(pretty) = pretty(text.as_bytes()) {
                    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
                    prop_assert_eq!(value(&pretty), value(text.trim()));
                }
            }
        }
    }
}
