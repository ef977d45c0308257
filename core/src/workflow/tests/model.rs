//! What Sim's executor does with a workflow, written down naively and apart from the converter: a check of it.

use super::generator::Spec;
use std::collections::BTreeSet;

pub(super) struct Model<'s> {
    spec: &'s Spec,
    parents: Vec<Option<usize>>,
    live: Vec<bool>,
    /// Edges between live blocks.
    edges: Vec<(usize, usize)>,
    pub(super) entries: BTreeSet<usize>,
    wired: BTreeSet<usize>,
}

impl<'s> Model<'s> {
    pub(super) fn of(spec: &'s Spec) -> Self {
        let blocks = 0..spec.blocks.len();
        let mut model = Model {
            spec,
            parents: blocks.clone().map(|block| parent(spec, block)).collect(),
            live: Vec::new(),
            edges: Vec::new(),
            entries: BTreeSet::new(),
            wired: BTreeSet::new(),
        };
        model.live = blocks.clone().map(|block| model.is_live(block)).collect();
        for edge in &spec.edges {
            let real = edge.target < spec.blocks.len() && edge.source != edge.target;
            if real && model.live[edge.source] && model.live[edge.target] {
                model.edges.push((edge.source, edge.target));
            }
        }
        let top = |block: &usize| model.live[*block] && model.parents[*block].is_none();
        model.entries = blocks.clone().filter(top).filter(|block| model.is_trigger(*block)).collect();
        if model.entries.is_empty() {
            let entered =
                |block: usize| model.edges.iter().any(|(from, to)| *to == block && model.parents[*from] != Some(block));
            model.entries = blocks.clone().filter(top).filter(|block| !entered(*block)).collect();
        }
        model.wired = model.entries.clone();
        if model.entries.is_empty() {
            model.entries = blocks.clone().filter(top).collect();
            model.wired = blocks.filter(|block| model.live[*block]).collect();
        }
        loop {
            let next: Vec<usize> =
                model.edges.iter().filter(|(from, _)| model.wired.contains(from)).map(|(_, to)| *to).collect();
            let before = model.wired.len();
            model.wired.extend(next);
            if model.wired.len() == before {
                return model;
            }
        }
    }

    fn is_live(&self, block: usize) -> bool {
        let mut at = Some(block);
        while let Some(block) = at {
            let about = &self.spec.blocks[block];
            if !about.enabled || about.kind == "note" {
                return false;
            }
            at = self.parents[block];
        }
        true
    }

    fn is_trigger(&self, block: usize) -> bool {
        let about = &self.spec.blocks[block];
        let others = ["condition", "router_v2", "router", "response", "loop", "parallel", "note"];
        (about.trigger_mode && !others.contains(&about.kind))
            || ["start_trigger", "starter", "schedule"].contains(&about.kind)
    }

    fn is_container(&self, block: usize) -> bool {
        ["loop", "parallel"].contains(&self.spec.blocks[block].kind)
    }

    fn successors(&self, block: usize) -> BTreeSet<usize> {
        if self.spec.blocks[block].kind == "response" {
            return BTreeSet::new();
        }
        let beside = |to: &usize| self.parents[*to] == self.parents[block];
        self.edges.iter().filter(|(from, _)| *from == block).map(|(_, to)| *to).filter(beside).collect()
    }

    fn first_children(&self, container: usize) -> BTreeSet<usize> {
        let live = |block: &usize| self.live[*block] && self.parents[*block] == Some(container);
        let all: BTreeSet<usize> = (0..self.live.len()).filter(live).collect();
        let mut children: BTreeSet<usize> = all.intersection(&self.wired).copied().collect();
        if children.is_empty() {
            children = all;
        }
        let entered = |child: usize| self.edges.iter().any(|(from, to)| *to == child && children.contains(from));
        children.iter().copied().filter(|child| !entered(*child)).collect()
    }

    /// The blocks that a run could get to.
    pub(super) fn reached(&self) -> BTreeSet<usize> {
        let mut reached = self.entries.clone();
        loop {
            let mut next = BTreeSet::new();
            for block in &reached {
                next.extend(self.successors(*block));
                if self.is_container(*block) {
                    next.extend(self.first_children(*block));
                }
            }
            let before = reached.len();
            reached.extend(next);
            if reached.len() == before {
                return reached;
            }
        }
    }

    /// The blocks to which a run could go from one directly.
    pub(super) fn steps(&self, block: usize) -> BTreeSet<usize> {
        let mut steps = self.successors(block);
        if self.spec.blocks[block].kind == "response" {
            return steps;
        }
        if self.is_container(block) {
            steps.extend(self.first_children(block));
        }
        // The last child of a container goes round again, or on with what follows the container.
        let mut at = block;
        while self.successors(at).is_empty() {
            let Some(container) = self.parents[at] else { break };
            steps.extend(self.first_children(container));
            steps.extend(self.successors(container));
            at = container;
        }
        steps
    }
}

/// The container that a block is in; containers that hold each other are in none.
fn parent(spec: &Spec, block: usize) -> Option<usize> {
    let named = |block: usize| {
        spec.blocks[block].parent.filter(|parent| ["loop", "parallel"].contains(&spec.blocks[*parent].kind))
    };
    let mut at = named(block);
    for _ in 0..=spec.blocks.len() {
        match at {
            None => return named(block),
            Some(above) if above == block => return None,
            Some(above) => at = named(above),
        }
    }
    named(block)
}
