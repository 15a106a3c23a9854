//! Which leg a To-tag belongs to.

use std::collections::HashMap;

use super::branching::Branching;
use crate::fold::Fold;
use crate::scene::{Scene, to_tag};
use crate::tree::Tree;

/// By call and To-tag: the leg at its far end, learned from responses to INVITE.
#[derive(Default)]
pub struct Tags<'a>(HashMap<(usize, &'a str), usize>);

impl<'a> Tags<'a> {
    pub fn of(scene: &Scene<'a>, folds: &[Fold], tree: &Tree, branching: &Branching) -> Self {
        let mut tags = Self::default();
        for fold in folds {
            let message = fold.first.message;
            let (Some(sip), Some(_)) = (scene.sip(message), scene.invite_status(fold.first)) else { continue };
            let attempt = tree.of.get(&scene.transaction[message]);
            let (Some(&attempt), Some(tag)) = (attempt, to_tag(sip)) else { continue };
            let Some(leg) = branching.tagged(attempt, tag).or(branching.of[attempt]) else { continue };
            let known = tags.0.entry((tree.call[message], tag)).or_insert(leg);
            if branching.legs[leg].depth > branching.legs[*known].depth {
                *known = leg;
            }
        }
        tags
    }

    pub fn find(&self, call: usize, tag: Option<&'a str>) -> Option<usize> {
        self.0.get(&(call, tag?)).copied()
    }
}
