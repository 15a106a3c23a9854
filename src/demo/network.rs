//! Whose phones and which servers the demo has. All addresses are those of RFC 5737.

/// A server that logs what it sends and receives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Log {
    Edge,
    Core,
    Push,
}

impl Log {
    pub const ALL: [Self; 3] = [Self::Edge, Self::Core, Self::Push];

    pub fn file(self) -> &'static str {
        match self {
            Self::Edge => "edge.log",
            Self::Core => "core.log",
            Self::Push => "push.log",
        }
    }
}

/// One end of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Node {
    pub host: &'static str,
    pub transport: &'static str,
    pub log: Option<Log>,
}

impl Node {
    const fn server(host: &'static str, log: Log) -> Self {
        Self { host, transport: "udp", log: Some(log) }
    }

    const fn phone(host: &'static str, transport: &'static str) -> Self {
        Self { host, transport, log: None }
    }

    pub fn url(&self) -> String {
        format!("sip:{}{}", self.host, self.parameter())
    }

    /// UDP is what is meant where nothing is said.
    pub fn parameter(&self) -> String {
        if self.transport == "udp" { String::new() } else { format!(";transport={}", self.transport) }
    }
}

/// Phones register and call through the edge; the core knows them, asks where a call goes, and rings them.
pub const EDGE: Node = Node::server("192.0.2.1:5060", Log::Edge);
pub const CORE: Node = Node::server("192.0.2.7:5060", Log::Core);
/// The same core as it speaks HTTP, what it asks, and what pushes for it.
pub const CORE_HTTP: &str = "http://192.0.2.7:8080";
pub const LOOK_UP: &str = "192.0.2.40:8080";
pub const PUSHER: &str = "192.0.2.20:8080";
pub const APNS: &str = "api.push.apple.com";

#[derive(Debug)]
pub struct Phone {
    pub user: &'static str,
    pub node: Node,
    pub agent: &'static str,
    /// The last digit of its instance id.
    pub nth: u8,
    /// Of a mobile: what a push goes to.
    pub token: Option<&'static str>,
}

impl Phone {
    pub fn instance(&self) -> String {
        format!("urn:uuid:00000000-0000-4000-8000-00000000000{}", self.nth)
    }

    /// The URI at which it is reached.
    pub fn uri(&self) -> String {
        let Self { user, node, .. } = self;
        let push = self
            .token
            .map(|token| format!(";pn-provider=apns;pn-param=ABCD1234.com.example.phone.voip;pn-prid={token}"));
        format!("sip:{user}@{}{}{}", node.host, node.parameter(), push.unwrap_or_default())
    }

    pub fn contact(&self) -> String {
        format!("<{}>;+sip.instance=\"<{}>\"", self.uri(), self.instance())
    }
}

const fn phone(user: &'static str, nth: u8, node: Node, agent: &'static str) -> Phone {
    Phone { user, node, agent, nth, token: None }
}

pub static ALICE: Phone = phone("alice", 1, Node::phone("198.51.100.10:5060", "udp"), "Zoiper 5");
pub static BOB_DESK: Phone = phone("bob", 2, Node::phone("198.51.100.23:5060", "udp"), "Yealink SIP-T46S 66.85");
pub static BOB_WEB: Phone = phone("bob", 3, Node::phone("198.51.100.22:49152", "wss"), "JsSIP 3.10.1");
pub static BOB_MOBILE: Phone = Phone {
    token: Some("a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90"),
    ..phone("bob", 4, Node::phone("198.51.100.21:50611", "tls"), "Phone/7.4.1 (iPhone15,2; iOS 17.4)")
};
pub static CAROL_DESK: Phone = phone("carol", 5, Node::phone("203.0.113.30:5060", "udp"), "Yealink SIP-T46S 66.85");
pub static CAROL_MOBILE: Phone = Phone {
    token: Some("0f9e8d7c6b5a49382716f5e4d3c2b1a00f9e8d7c6b5a49382716f5e4d3c2b1a0"),
    ..phone("carol", 6, Node::phone("203.0.113.31:50612", "tls"), "Phone/7.4.0 (iPhone14,5; iOS 17.2)")
};
pub static DAVE: Phone = phone("dave", 7, Node::phone("203.0.113.40:5060", "udp"), "Grandstream GXP2170 1.0.11.64");

pub static PHONES: [&Phone; 7] = [&ALICE, &BOB_DESK, &BOB_WEB, &BOB_MOBILE, &CAROL_DESK, &CAROL_MOBILE, &DAVE];
