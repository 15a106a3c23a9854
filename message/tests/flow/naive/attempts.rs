//! 1: further attempts of a caller under one Call-ID.

use super::*;

/// When an attempt was begun, and by which From-tag and CSeq number.
pub struct Begun<'a> {
    at: i64,
    tag: &'a str,
    cseq: u32,
}

/// Each attempt after the first: an INVITE without To-tag, with a higher CSeq number or another From-tag, after a final answer
/// that was neither challenge nor redirection, or a CANCEL; on whichever hop it is logged, or told of by its answer, and if
/// nothing else by what an agent made of it.
pub fn further(messages: &[Message], without: Option<Rule>) -> Vec<Begun<'_>> {
    let (mut begun, mut last, mut over) = (Vec::new(), ("", 0), false);
    let made = |said: &Said| said.call.starts_with("call-b") && without != Some(Rule::AgentsEndIsOne);
    for said in said(messages).iter().filter(|said| said.call == "call-a" || made(said)) {
        if said.method == "INVITE" {
            let renamed = said.tags.0 != last.0 && without != Some(Rule::OtherTagBeginsAnew);
            let later = said.tags.0 == last.0 && said.cseq > last.1;
            if said.call == "call-a" && (later || renamed) {
                if over {
                    begun.push(Begun { at: said.at(), tag: said.tags.0, cseq: said.cseq });
                    over = false;
                }
                last = (said.tags.0, said.cseq);
            }
            over |= said.status.is_some_and(|status| status >= 400 && status != 407 || (200..300).contains(&status));
        }
        over |= said.is("CANCEL");
    }
    begun
}

/// Of which attempt a message is: an INVITE, with what belongs to it, as its From-tag and CSeq say, however late it is; what an
/// agent made of it, with all of its Call-ID.
pub fn number(message: &Message, messages: &[Message], begun: &[Begun]) -> usize {
    let facts = &message.facts;
    let made = facts.call_id.as_deref().filter(|call| call.starts_with("call-b"));
    let of_call = messages.iter().filter(|other| made.is_some() && other.facts.call_id.as_deref() == made);
    let at = of_call.map(millis).min().unwrap_or(millis(message));
    let sip = facts.sip.as_ref().filter(|_| matches!(facts.method.as_str(), "INVITE" | "ACK" | "CANCEL"));
    let own = |begun: &Begun| match sip.filter(|_| made.is_none()) {
        Some(sip) => begun.tag == tag(sip.from.as_ref()) && Some(begun.cseq) <= sip.cseq,
        None => begun.at <= at,
    };
    begun.iter().rposition(own).map_or(0, |at| at + 1)
}
