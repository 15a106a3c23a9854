//! JSON set out over lines. Only blanks change: numbers and strings stay as they were logged, whatever their length.

use serde::de::IgnoredAny;

/// Levels that are set in further than those around them; deeper ones stand below each other.
const DEEPEST: usize = 20;

/// A JSON object or array.
pub fn is_json(bytes: &[u8]) -> bool {
    text(bytes).is_some_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    text.starts_with(['{', '[']).then_some(text)
}

/// None where it is no JSON object or array. What is longer than `most` bytes is cut off, and so many bytes of it are left.
pub fn pretty(bytes: &[u8], most: usize) -> Option<(String, usize)> {
    let text = text(bytes).filter(|_| is_json(bytes))?;
    let mut out = String::with_capacity(most.min(text.len() * 2));
    let mut depth = 0_usize;
    let mut letters = text.chars().peekable();
    let mut read = 0;
    while let Some(letter) = letters.next() {
        if out.len() >= most {
            return Some((out, text.len() - read));
        }
        let before = out.len();
        read += letter.len_utf8();
        match letter {
            '"' => {
                out.push('"');
                while out.len() < most
                    && let Some(inside) = letters.next()
                {
                    out.push(inside);
                    match inside {
                        '\\' => out.extend(letters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                read += out.len() - before - 1;
            }
            '{' | '[' => {
                out.push(letter);
                while letters.next_if(char::is_ascii_whitespace).is_some() {
                    read += 1;
                }
                if let Some(end) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                    read += 1;
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
    Some((out, 0))
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(DEEPEST)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(bytes: &[u8]) -> Option<String> {
        let (text, left) = pretty(bytes, usize::MAX >> 1)?;
        assert_eq!(left, 0);
        Some(text)
    }

    #[test]
    fn numbers_and_strings_stay_as_they_were_logged() {
        insta::assert_snapshot!(whole(br#" {"a":1.10,"b":[ ],"c":[1e400,18446744073709551617],"d":"x\"},{"} "#).unwrap(), @r#"
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
            assert_eq!(pretty(text.as_bytes(), 100), None);
        }
    }

    #[test]
    fn depth_and_length_are_bounded_and_what_is_left_is_counted() {
        let deep = format!("{}1{}", "[".repeat(9_000), "]".repeat(9_000));
        let shown = whole(deep.as_bytes()).unwrap();
        assert!(shown.len() < deep.len() * (2 * DEEPEST + 2), "{}", shown.len());
        let text = br#" [ "\"a", {"b" :[ ]}, 2 ]"#;
        let all = whole(text).unwrap();
        for most in 0..all.len() {
            let (cut, left) = pretty(text, most).unwrap();
            assert!(all.starts_with(&cut) && cut.len() < most + 20, "{cut}");
            let rest: String = text.trim_ascii()[text.trim_ascii().len() - left..].iter().map(|b| *b as char).collect();
            let bare = |text: &str| text.replace([' ', '\n'], "");
            assert_eq!(bare(&cut) + &bare(&rest), bare(&all), "{most}");
        }
    }

    proptest! {
        #[test]
        fn it_reads_back_as_the_same_value(text in "[\\[\\]{},:\"\\\\a1 ]{0,40}", key in ".*") {
            let made = serde_json::json!({ key: [text.clone(), {}, null] }).to_string();
            for text in [text, made] {
                if let Some(pretty) = whole(text.as_bytes()) {
                    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
                    prop_assert_eq!(value(&pretty), value(text.trim()));
                }
            }
        }
    }
}
