//! Which blocks a run of the workflow can get to, and by which edges: the rules of Sim's executor.

use super::block_type::{Role, trigger_rank};
use super::lists::Lists;
use super::read::{Edge, Workflow};
use super::warning::{Code, Warnings};
use std::collections::{HashMap, HashSet, VecDeque};

/// An edge that the executor follows: between blocks of one container, or out of a container.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) target: usize,
    pub(super) edge: usize,
    /// Place among the edges of the document that leave the block.
    pub(super) ordinal: usize,
}

pub(super) struct Nesting {
    pub(super) roles: Vec<Role>,
    pub(super) parent: Vec<Option<usize>>,
    /// The ways out of each block, in the order of their targets.
    pub(super) ways: Lists<Link>,
    /// The children of a container that a round begins with.
    pub(super) first_children: Vec<Vec<usize>>,
    /// Where a run begins.
    pub(super) entries: Vec<usize>,
    /// The blocks that a run can get to, from the entries on.
    pub(super) reached: Vec<usize>,
}

impl Nesting {
    pub(super) fn of(workflow: &Workflow, is_marked: &[bool], warnings: &mut Warnings) -> Nesting {
        let roles: Vec<Role> = workflow.blocks.iter().map(Role::of).collect();
        let index: HashMap<&str, usize> = workflow.blocks.iter().enumerate().map(|(i, b)| (&*b.id, i)).collect();
        let parent = parents(workflow, &index, &roles, warnings);
        let live = live(workflow, &roles, &parent, warnings);
        let edges = edges(workflow, &index, &live, is_marked, warnings);

        let neighbours = Lists::of(roles.len(), edges.iter().map(|(source, link)| (*source, link.target)));
        let mut ways = Vec::with_capacity(edges.len());
        let mut into_children = Vec::new();
        let mut out_of_children = Vec::new();
        for (source, link) in edges {
            let target = link.target;
            if parent[source] == parent[target] {
                ways.push((source, link));
            } else if parent[target] == Some(source) {
                into_children.push((source, link));
            } else if parent[source] == Some(target) {
                out_of_children.push((source, link));
            } else {
                let message = "the edge leads into or out of a container, where Sim does not follow it";
                let edge = &workflow.edges[link.edge];
                warnings.of_edge(Code::CrossesContainer, &edge.source, edge.id.as_deref(), message);
            }
        }
        let mut nesting = Nesting {
            ways: Lists::of(roles.len(), ways),
            first_children: vec![Vec::new(); roles.len()],
            entries: Vec::new(),
            reached: Vec::new(),
            roles,
            parent,
        };
        let wired = nesting.find_entries(workflow, &live, &neighbours, warnings);
        nesting.find_first_children(workflow, &live, &wired, &into_children, warnings);
        nesting.find_reached(&live, is_marked);
        nesting.report(workflow, &live, &into_children, &out_of_children, warnings);
        nesting
    }

    /// Sets where a run begins, and tells what can be reached from there over edges of any kind.
    fn find_entries(
        &mut self,
        workflow: &Workflow,
        live: &[bool],
        neighbours: &Lists<usize>,
        warnings: &mut Warnings,
    ) -> Vec<bool> {
        let outer = |block: &usize| live[*block] && self.parent[*block].is_none();
        let mut entries: Vec<usize> =
            (0..live.len()).filter(outer).filter(|block| self.roles[*block] == Role::Trigger).collect();
        entries.sort_by_key(|block| trigger_rank(&workflow.blocks[*block].kind));
        if entries.is_empty() {
            let mut has_incoming = vec![false; live.len()];
            for (source, targets) in neighbours.iter().enumerate() {
                for target in targets {
                    has_incoming[*target] |= self.parent[source] != Some(*target);
                }
            }
            entries = (0..live.len()).filter(outer).filter(|block| !has_incoming[*block]).collect();
            warnings
                .of_workflow(Code::NoTrigger, "no block is a trigger, so the journey begins where nothing leads to");
        }
        if entries.is_empty() {
            // Only cycles: Sim counts every block as reachable then.
            return live.to_vec();
        }
        let mut reached = vec![false; live.len()];
        spread(&mut reached, entries.iter().copied(), neighbours);
        self.entries = entries;
        reached
    }

    fn find_first_children(
        &mut self,
        workflow: &Workflow,
        live: &[bool],
        wired: &[bool],
        into_children: &[(usize, Link)],
        warnings: &mut Warnings,
    ) {
        let mut children = vec![Vec::new(); live.len()];
        for block in (0..live.len()).filter(|block| live[*block]) {
            if let Some(parent) = self.parent[block] {
                children[parent].push(block);
            }
        }
        let mut entered: HashMap<usize, Vec<usize>> = HashMap::new();
        for (container, link) in into_children {
            entered.entry(*container).or_default().push(link.target);
        }
        for container in (0..live.len()).filter(|block| live[*block] && self.roles[*block].is_container()) {
            let all = &children[container];
            let mut chosen: Vec<usize> = all.iter().copied().filter(|child| wired[*child]).collect();
            if chosen.is_empty() && !all.is_empty() {
                let message = "no edge leads from the container to a child; a run in Sim would fail";
                warnings.of_block(Code::ContainerNotWired, &workflow.blocks[container].id, message);
                chosen = all.clone();
            }
            let chosen_set: HashSet<usize> = chosen.iter().copied().collect();
            let mut has_incoming = HashSet::new();
            for child in &chosen {
                has_incoming.extend(self.ways[*child].iter().map(|link| link.target));
            }
            let mut first: Vec<usize> = chosen.iter().copied().filter(|child| !has_incoming.contains(child)).collect();
            if first.is_empty() {
                first = entered.get(&container).cloned().unwrap_or_default();
                first.retain(|child| chosen_set.contains(child));
                first.sort_unstable();
                first.dedup();
            }
            if first.is_empty() {
                first.extend(chosen.first());
            }
            self.first_children[container] = first;
        }
    }

    fn find_reached(&mut self, live: &[bool], is_marked: &[bool]) {
        let mut seen = vec![false; live.len()];
        for entry in self.entries.clone() {
            self.reach_from(entry, &mut seen);
        }
        if self.entries.is_empty() {
            for block in 0..live.len() {
                if live[block] && self.parent[block].is_none() && !seen[block] {
                    self.entries.push(block);
                    self.reach_from(block, &mut seen);
                }
            }
        }
        // States that a journey has although nothing leads to them.
        for block in (0..live.len()).filter(|block| live[*block] && is_marked[*block]) {
            self.reach_from(block, &mut seen);
        }
    }

    fn reach_from(&mut self, entry: usize, seen: &mut [bool]) {
        let mut queue = VecDeque::from([entry]);
        while let Some(block) = queue.pop_front() {
            if std::mem::replace(&mut seen[block], true) {
                continue;
            }
            self.reached.push(block);
            queue.extend(&self.first_children[block]);
            if self.roles[block] != Role::Response {
                queue.extend(self.ways[block].iter().map(|link| link.target));
            }
        }
    }

    fn report(
        &self,
        workflow: &Workflow,
        live: &[bool],
        into_children: &[(usize, Link)],
        out_of_children: &[(usize, Link)],
        warnings: &mut Warnings,
    ) {
        let mut reached = vec![false; live.len()];
        self.reached.iter().for_each(|block| reached[*block] = true);
        for block in (0..live.len()).filter(|block| live[*block] && !reached[*block]) {
            let message = "no run gets to the block, so it is not in the journey";
            warnings.of_block(Code::UnreachableBlock, &workflow.blocks[block].id, message);
        }
        let ignored = |edge: &Edge, message: &str, warnings: &mut Warnings| {
            warnings.of_edge(Code::IgnoredEdge, &edge.source, edge.id.as_deref(), message);
        };
        for (container, link) in into_children {
            if self.first_children[*container].binary_search(&link.target).is_err() {
                let message = "the container does not begin with this child, which has a predecessor beside it";
                ignored(&workflow.edges[link.edge], message, warnings);
            }
        }
        for (child, link) in out_of_children {
            if !self.ways[*child].is_empty() {
                let message = "the way back is taken by the last children of the container, not by this one";
                ignored(&workflow.edges[link.edge], message, warnings);
            }
        }
        for block in self.reached.iter().filter(|block| self.roles[**block] == Role::Response) {
            if !self.ways[*block].is_empty() {
                let message = "the run ends with the response; what follows it is not done";
                warnings.of_block(Code::ResponseEndsRun, &workflow.blocks[*block].id, message);
            }
        }
    }
}

fn spread(reached: &mut [bool], from: impl IntoIterator<Item = usize>, neighbours: &Lists<usize>) {
    let mut stack: Vec<usize> = Vec::new();
    for block in from {
        if !std::mem::replace(&mut reached[block], true) {
            stack.push(block);
        }
    }
    while let Some(block) = stack.pop() {
        for target in &neighbours[block] {
            if !std::mem::replace(&mut reached[*target], true) {
                stack.push(*target);
            }
        }
    }
}

fn parents(
    workflow: &Workflow,
    index: &HashMap<&str, usize>,
    roles: &[Role],
    warnings: &mut Warnings,
) -> Vec<Option<usize>> {
    let mut parent = Vec::with_capacity(roles.len());
    for block in &workflow.blocks {
        let named = block.parent.as_deref();
        let found = named.and_then(|id| index.get(id).copied()).filter(|at| roles[*at].is_container());
        if let (Some(id), None) = (named, found) {
            let message = format!("{id:?}, in which the block should be, is no container of this workflow");
            warnings.of_block(Code::NestingBroken, &block.id, message);
        }
        parent.push(found);
    }
    // Containers that hold each other hold nothing.
    let mut state = vec![0_u8; parent.len()];
    for start in 0..parent.len() {
        let mut path = Vec::new();
        let mut at = Some(start);
        while let Some(block) = at.filter(|block| state[*block] == 0) {
            state[block] = 1;
            path.push(block);
            at = parent[block];
        }
        if let Some(block) = at.filter(|block| state[*block] == 1) {
            let from = path.iter().position(|other| *other == block).unwrap_or(0);
            for member in &path[from..] {
                parent[*member] = None;
                let message = "the container is inside itself; it is taken out";
                warnings.of_block(Code::NestingBroken, &workflow.blocks[*member].id, message);
            }
        }
        path.iter().for_each(|block| state[*block] = 2);
    }
    parent
}

/// The blocks that are enabled, and inside enabled containers only.
fn live(workflow: &Workflow, roles: &[Role], parent: &[Option<usize>], warnings: &mut Warnings) -> Vec<bool> {
    let mut live: Vec<Option<bool>> = vec![None; roles.len()];
    for start in 0..roles.len() {
        let mut path = Vec::new();
        let mut at = Some(start);
        let mut verdict = true;
        while let Some(block) = at {
            if let Some(known) = live[block] {
                verdict = known;
                break;
            }
            path.push(block);
            at = parent[block];
        }
        for block in path.into_iter().rev() {
            let about = &workflow.blocks[block];
            if roles[block] == Role::Note {
                warnings.of_block(Code::NoteDropped, &about.id, "notes are not part of a journey");
            } else if !about.enabled {
                let message = "the block is disabled: the path ends before it, as in Sim";
                warnings.of_block(Code::DisabledBlock, &about.id, message);
            } else if !verdict {
                warnings.of_block(Code::DisabledBlock, &about.id, "the block is inside a disabled container");
            }
            verdict = verdict && about.enabled && roles[block] != Role::Note;
            live[block] = Some(verdict);
        }
    }
    live.into_iter().map(|live| live == Some(true)).collect()
}

/// The edges between live blocks, each once, in the order of source, target and handle.
fn edges(
    workflow: &Workflow,
    index: &HashMap<&str, usize>,
    live: &[bool],
    is_marked: &[bool],
    warnings: &mut Warnings,
) -> Vec<(usize, Link)> {
    let mut leaving = vec![0_usize; live.len()];
    let mut edges = Vec::with_capacity(workflow.edges.len());
    for (at, edge) in workflow.edges.iter().enumerate() {
        let ends = index.get(&*edge.source).zip(index.get(&*edge.target));
        let Some((&source, &target)) = ends else {
            let missing = if index.contains_key(&*edge.source) { &edge.target } else { &edge.source };
            let message = format!("the workflow has no block {missing:?}");
            warnings.of_edge(Code::DanglingEdge, &edge.source, edge.id.as_deref(), message);
            continue;
        };
        if source == target && !is_marked[source] {
            let message = "the edge leads from the block to itself";
            warnings.of_edge(Code::SelfLoop, &edge.source, edge.id.as_deref(), message);
            continue;
        }
        let ordinal = leaving[source];
        leaving[source] += 1;
        edges.push((source, Link { target, edge: at, ordinal }));
    }
    let handle = |link: &Link| workflow.edges[link.edge].handle.as_deref();
    let id = |link: &Link| workflow.edges[link.edge].id.as_deref();
    edges.sort_by(|(a_source, a), (b_source, b)| {
        let ends = (a_source, a.target).cmp(&(b_source, b.target));
        ends.then_with(|| handle(a).cmp(&handle(b))).then_with(|| id(a).cmp(&id(b))).then(a.ordinal.cmp(&b.ordinal))
    });
    let mut kept: Vec<(usize, Link)> = Vec::with_capacity(edges.len());
    for (source, link) in edges {
        // An edge without handle takes its branch by position, so two of them may differ.
        let is_positional = handle(&link).is_none() && takes_branch_by_position(workflow, source);
        let repeats = kept.last().is_some_and(|(last_source, last)| {
            *last_source == source && last.target == link.target && handle(last) == handle(&link)
        });
        if repeats && !is_positional {
            let edge = &workflow.edges[link.edge];
            let message = format!("another edge leads to {:?} in the same way", edge.target);
            warnings.of_edge(Code::DuplicateEdge, &edge.source, edge.id.as_deref(), message);
        } else if live[source] && live[link.target] {
            kept.push((source, link));
        }
    }
    kept
}

fn takes_branch_by_position(workflow: &Workflow, block: usize) -> bool {
    matches!(Role::of(&workflow.blocks[block]), Role::Condition | Role::Router)
}
