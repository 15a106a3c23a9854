//! Single records that are not in the log: what the others say of them.

use message::flow::flow;

use super::story::story;

#[test]
fn an_answer_to_a_bye_that_is_not_logged_is_one_on_another_hop() {
    let flow = flow(&story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         900 core bob1>core 200 INVITE via=c1,a1 tag=b1
         901 core core>alice 200 INVITE via=a1 tag=b1
         910 core alice>core ACK sip:bob@192.0.2.21 via=a2 tag=b1
         911 core core>bob1 ACK sip:bob@192.0.2.21 via=c2,a2 tag=b1
         5000 core alice>core BYE sip:bob@192.0.2.21 via=a3 tag=b1 cseq=2
         5009 core bob1>core 200 BYE via=c3,a3 tag=b1 cseq=2",
    ));
    assert_eq!(flow.course.problems, []);
}
