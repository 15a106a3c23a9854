//! The order of the columns: caller's devices, edge in, core, gateways, edge out, callee's devices.

use super::Draft;
use super::device::{shown, user};
use crate::fold::Fold;
use crate::kind::Kind;
use crate::node::NodeKind;
use crate::scene::{Scene, Verb};

/// Drafts from left to right. Servers stand as the first INVITEs come by them; gateways of REST and push after the
/// last server that asks one.
pub fn order(scene: &Scene, folds: &[Fold], drafts: &[Draft], of: &[usize]) -> Vec<usize> {
    let invites = folds.iter().filter(|f| scene.verb[f.first.message] == Verb::Invite && scene.opens(f.first));
    let mut appearance = vec![usize::MAX; drafts.len()];
    let mut next = 0;
    for fold in invites.chain(folds) {
        let (from, to) = scene.ends(fold.first);
        for node in [of[from], of[to]] {
            if appearance[node] == usize::MAX {
                appearance[node] = next;
                next += 1;
            }
        }
    }
    let opener = opener(scene, folds);
    let caller = opener.and_then(|fold| user(scene.sip(fold.first.message)?.from.as_ref())).map(shown);
    let first = opener.map(|fold| of[scene.ends(fold.first).0]);
    let gateway = |draft: &Draft| !draft.sip && draft.kind != NodeKind::Device;
    let last_asking = folds
        .iter()
        .filter(|fold| scene.messages[fold.first.message].kind != Kind::Sip)
        .map(|fold| scene.ends(fold.first))
        .flat_map(|(from, to)| [(of[from], of[to]), (of[to], of[from])])
        .filter(|(asking, asked)| !gateway(&drafts[*asking]) && gateway(&drafts[*asked]))
        .map(|(asking, _)| appearance[asking])
        .max();
    let group = |node: usize| {
        let draft = &drafts[node];
        match draft.kind {
            NodeKind::Device if first == Some(node) => 0,
            NodeKind::Device if draft.person.is_some() && draft.person == caller => 0,
            NodeKind::Device => 4,
            _ if gateway(draft) => 2,
            _ if last_asking.is_none_or(|last| appearance[node] <= last) => 1,
            _ => 3,
        }
    };
    let mut order: Vec<_> = (0..drafts.len()).collect();
    order.sort_by_key(|node| {
        let group = group(*node);
        let leg = drafts[*node].leg.filter(|_| group == 4);
        (group, leg.is_none(), leg, appearance[*node], &scene.addresses[drafts[*node].address])
    });
    order
}

/// The first INVITE; in a flow without one the first SIP request.
pub fn opener<'a>(scene: &Scene, folds: &'a [Fold]) -> Option<&'a Fold> {
    let mut opening = folds.iter().filter(|fold| scene.opens(fold.first));
    let invite = folds.iter().find(|f| scene.opens(f.first) && scene.verb[f.first.message] == Verb::Invite);
    invite.or_else(|| opening.next())
}
