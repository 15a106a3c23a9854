//! REST and push: which response answers which request.

use message::flow::flow;
use message::kind::Kind;

use super::story::story;

/// By row: the method or status, and the row it is paired with.
#[track_caller]
fn check(lines: &str, expect: &[Option<usize>]) {
    let pairs: Vec<_> = flow(&story(lines)).rows.iter().map(|row| row.pair).collect();
    assert_eq!(pairs, expect, "{lines}");
}

#[test]
fn a_response_in_a_record_of_its_own_answers_the_request_it_names() {
    check(
        "0 core core>https://api.example.com/a GET
         1 core core>https://api.example.com/b GET
         2 core https://api.example.com/b>core HTTP body=HTTP/1.1_200_OK
         3 core https://api.example.com/a>core HTTP body=HTTP/1.1_503_No",
        &[Some(3), Some(2), Some(1), Some(0)],
    );
}

#[test]
fn a_response_that_names_nothing_answers_the_only_request_that_is_open() {
    check(
        "0 core core>https://api.example.com/a GET
         1 core https://api.example.com>core HTTP body=HTTP/1.1_200_OK
         2 core core>https://api.example.com/b GET
         3 core https://api.example.com>core HTTP body=HTTP/1.1_503_No",
        &[Some(1), Some(0), Some(3), Some(2)],
    );
    check(
        "0 core core>https://api.example.com/a GET
         1 core core>https://api.example.com/b GET
         2 core https://api.example.com>core HTTP body=HTTP/1.1_200_OK
         3 core https://api.example.com>core HTTP body=HTTP/1.1_503_No",
        &[None; 4],
    );
}

#[test]
fn what_only_the_order_says_is_likely() {
    let likely = |lines: &str| flow(&story(lines)).rows.iter().map(|row| row.likely).collect::<Vec<_>>();
    let asked = |first: &str, second: &str| {
        format!(
            "0 core core>https://api.example.com/a GET{first}
             1 core core>https://api.example.com/b GET{second}
             2 core https://api.example.com>core HTTP body=HTTP/1.1_200_OK{first}"
        )
    };
    let (id, other) = (" | X-Request-ID: r-1", " | X-Request-ID: r-2");
    assert_eq!(likely(&asked(id, other)), [false; 3], "an id says whose answer it is");
    assert_eq!(likely(&asked(id, id)), [true, false, true], "two are open that carry it");
    assert_eq!(likely(&asked("", other)), [false; 3], "nobody can tell");
    let alone = "0 core core>https://api.example.com/a GET
                 1 core https://api.example.com>core HTTP body=HTTP/1.1_200_OK";
    assert_eq!(likely(alone), [true; 2], "one is open");
}

/// Without an id nobody can tell after so long what an answer is of.
#[test]
fn an_answer_that_comes_late_is_that_of_the_request_whose_id_it_carries() {
    let asked = |id: &str| {
        format!(
            "0 core core>https://api.example.com/a GET{id}
             45000 core https://api.example.com>core HTTP body=HTTP/1.1_200_OK{id}"
        )
    };
    let id = " | X-Request-ID: r-1";
    check(&asked(id), &[Some(1), Some(0)]);
    assert_eq!(flow(&story(&asked(id))).course.problems, []);
    check(&asked(""), &[None, None]);
    let again = "40000 core core>https://api.example.com/a GET | X-Request-ID: r-1";
    check(&format!("{}\n{again}", asked(id)), &[None, Some(2), Some(1)]);
    let long_ago = "1000 core core>https://api.example.com/a GET | X-Request-ID: r-1";
    check(&format!("{}\n{long_ago}", asked(id)), &[None, Some(2), Some(1)]);
    let hours = asked(id).replace("45000", "14400000");
    check(&hours, &[None, None]);
}

#[test]
fn a_status_line_answers_a_push_too() {
    check(
        "0 core core>fcm PUSH body={\"to\":\"bob\"}
         1 core fcm>core HTTP body=HTTP/1.1_410_Gone",
        &[Some(1), Some(0)],
    );
}

#[test]
fn an_answer_has_the_kind_of_its_request() {
    let kinds = |lines: &str| flow(&story(lines)).rows.iter().map(|row| row.kind).collect::<Vec<_>>();
    assert_eq!(
        kinds(
            "0 core core>fcm PUSH body={\"to\":\"bob\"}
             1 core fcm>core HTTP body=HTTP/1.1_200_OK
             2 core core>https://api.example.com/a GET
             3 core https://api.example.com>core HTTP body=HTTP/1.1_200_OK
             4 core fcm>core HTTP body=HTTP/1.1_410_Gone"
        ),
        [Kind::Push, Kind::Push, Kind::Rest, Kind::Rest, Kind::Rest],
        "the last one answers nothing"
    );
}
