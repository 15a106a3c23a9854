//! What a session description offers (RFC 8866): addresses, media, codecs, direction.

use super::params::parameter;
use super::{Headers, Media, Name, Sdp, text};

/// Descriptions beyond this are read up to here; candidates of ICE make them long.
const MOST: usize = 256 << 10;
const MOST_MEDIA: usize = 32;
const MOST_CODECS: usize = 64;

/// The session description of a body: all of it, or its part in a multipart body (RFC 2046).
pub(crate) fn sdp_of(content_type: Option<&str>, body: &[u8]) -> Option<Sdp> {
    let body = &body[..body.len().min(MOST)];
    let Some(content_type) = content_type else { return body.starts_with(b"v=0").then(|| read(body)) };
    let kind = content_type.split(';').next().unwrap_or("").trim();
    if kind.eq_ignore_ascii_case("application/sdp") {
        return (!body.is_empty()).then(|| read(body));
    }
    let multipart = kind.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"));
    if multipart {
        read_part(&parameter(content_type, "boundary").filter(|mark| !mark.is_empty())?, body)
    } else {
        None
    }
}

fn read_part(boundary: &str, body: &[u8]) -> Option<Sdp> {
    let mark = format!("--{boundary}");
    let mut starts = memchr::memmem::find_iter(body, mark.as_bytes()).peekable();
    while let Some(start) = starts.next() {
        // The boundary's line stands where a start line would.
        let part = &body[start..starts.peek().copied().unwrap_or(body.len())];
        let mut headers = Headers::of(part);
        let is_sdp = headers.by_ref().any(|header| {
            let value = header.value();
            header.known() == Some(Name::ContentType)
                && value.get(..15).is_some_and(|kind| kind.eq_ignore_ascii_case("application/sdp"))
        });
        if is_sdp {
            return Some(read(&part[headers.body()]));
        }
    }
    None
}

fn read(body: &[u8]) -> Sdp {
    let mut sdp = Sdp::default();
    let mut session_direction = None;
    let mut from = 0;
    for end in memchr::memchr_iter(b'\n', body).chain([body.len()]) {
        let line = &body[from..end];
        from = end + 1;
        let (Some(kind), Some(b'='), value) = (line.first(), line.get(1), line.get(2..).unwrap_or_default()) else {
            continue;
        };
        match kind {
            b'c' if sdp.address.is_none() => {
                let value = text(value);
                let address = value.split_ascii_whitespace().nth(2);
                sdp.address = address.map(|a| a.split('/').next().unwrap_or(a).to_owned());
            }
            b'm' if sdp.media.len() < MOST_MEDIA => sdp.media.push(medium(&text(value))),
            b'a' => match sdp.media.last_mut() {
                Some(medium) => attribute(value, medium),
                None => session_direction = direction(value).or(session_direction),
            },
            _ => {}
        }
    }
    for medium in sdp.media.iter_mut().filter(|medium| medium.direction.is_empty()) {
        session_direction.unwrap_or("sendrecv").clone_into(&mut medium.direction);
    }
    sdp
}

/// `audio 49170/2 RTP/AVP 0 8 101`
fn medium(value: &str) -> Media {
    let mut words = value.split_ascii_whitespace();
    let kind = words.next().unwrap_or("").to_owned();
    let port = words.next().and_then(|port| port.split('/').next()?.parse().ok()).unwrap_or(0);
    let protocol = words.next().unwrap_or("").to_owned();
    Media {
        kind,
        port,
        protocol,
        codecs: words.take(MOST_CODECS).map(str::to_owned).collect(),
        direction: String::new(),
    }
}

fn attribute(value: &[u8], medium: &mut Media) {
    if let Some(map) = value.strip_prefix(b"rtpmap:") {
        let map = text(map);
        let mut words = map.split_ascii_whitespace();
        let (Some(number), Some(codec)) = (words.next(), words.next()) else { return };
        if let Some(place) = medium.codecs.iter_mut().find(|c| *c == number) {
            codec.clone_into(place);
        }
    } else if let Some(direction) = direction(value) {
        direction.clone_into(&mut medium.direction);
    }
}

fn direction(value: &[u8]) -> Option<&'static str> {
    let value = value.trim_ascii();
    ["sendrecv", "sendonly", "recvonly", "inactive"].into_iter().find(|name| value == name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_summed_up() {
        let body = b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\nc=IN IP4 192.0.2.1/127\r\na=recvonly\r\nm=audio 49170/2 RTP/AVP 0 96\r\n\
            a=rtpmap:0 PCMU/8000\r\na=rtpmap:96 opus/48000/2\r\nm=video 0 RTP/AVP 31\r\nc=IN IP6 2001:db8::1\r\na=inactive\r\n";
        let sdp = sdp_of(Some("Application/SDP; charset=utf-8"), body).unwrap();
        assert_eq!(sdp.address.as_deref(), Some("192.0.2.1"));
        let media: Vec<_> = sdp.media.iter().map(|m| (&*m.kind, m.port, &*m.protocol, &*m.direction)).collect();
        assert_eq!(media, [("audio", 49170, "RTP/AVP", "recvonly"), ("video", 0, "RTP/AVP", "inactive")]);
        assert_eq!(
            (sdp.media[0].codecs.join(" "), sdp.media[1].codecs.join(" ")),
            ("PCMU/8000 opus/48000/2".into(), "31".into())
        );
    }

    #[test]
    fn a_part_of_a_multipart_body_is_found() {
        let body = b"--b1\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b1\r\nContent-Type: application/sdp\r\n\r\n\
            v=0\r\nc=IN IP6 2001:db8::1\r\nm=audio 4000 RTP/AVP 0\r\n--b1--\r\n";
        let sdp = sdp_of(Some("multipart/mixed;boundary=\"b1\""), body).unwrap();
        assert_eq!((sdp.address.as_deref(), sdp.media.len()), (Some("2001:db8::1"), 1));
        assert_eq!(sdp_of(Some("multipart/mixed"), body), None);
        assert_eq!(sdp_of(Some("text/plain"), body), None);
    }
}
